package capture

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/rs/zerolog"

	"facesieve/capture/cameratest"
)

// lag returns how many frames ago the camera sent a frame.
func lag(c *cameratest.Camera, f *Frame) int {
	return (c.Sent() - 1 - number(f.Mat) + 10*greys) % greys
}

// fresh is the lag that is allowed, because the machine may be busy.
const fresh = 20

func TestStreamIsFreshFromItsFirstFrame(t *testing.T) {
	t.Parallel()
	c := newCamera(t)
	f := newFrame(t)
	var s *Source
	var before time.Time
	eventually(t, "a fresh first frame", func() bool { // on a busy machine not always of the first source
		before = time.Now()
		s = open(t, quick(c.URL))
		next(t, s, f)
		return lag(c, f) <= fresh
	})
	if f.Time.Before(before) || f.Time.After(time.Now()) || f.Sequence == 0 || f.Mat.Cols() != 64 {
		t.Errorf("time %v, sequence %d, %d wide", f.Time, f.Sequence, f.Mat.Cols())
	}
	if got := s.Stats(); got.Width != 64 || got.Height != 48 || s.State() != Running {
		t.Errorf("%s, %+v", s.State(), got)
	}
	// While no frame is taken, newer frames replace older ones, and all are counted.
	last := *f
	eventually(t, "20 more frames", func() bool { return s.Stats().Frames >= 21 })
	next(t, s, f)
	if got := lag(c, f); got > fresh || f.Sequence < 20 || f.Position <= last.Position || !f.Time.After(last.Time) {
		t.Errorf("frame %d of %v, sent %d frames ago", f.Sequence, f.Position, got)
	}
	if got := s.Stats(); got.Dropped < 18 || got.Dropped >= got.Frames {
		t.Errorf("%+v", got)
	}
	eventually(t, "25 frames a second", func() bool { fps := s.Stats().FPS; return fps > 15 && fps < 35 })
}

// fault is an event that makes a stream fail, until its end.
type fault struct {
	name       string
	begin, end func(*cameratest.Camera)
	want       string // in Stats.LastError, at the latest when a reconnect has failed
}

func faults() []fault {
	over := func(*cameratest.Camera) {}
	return []fault{
		{
			"stalls",
			func(c *cameratest.Camera) { c.Stalled.Store(true) }, func(c *cameratest.Camera) { c.Stalled.Store(false) },
			"no readable frame",
		},
		{
			"sends garbage",
			func(c *cameratest.Camera) { c.Garbage.Store(true) }, func(c *cameratest.Camera) { c.Garbage.Store(false) },
			"no readable frame",
		},
		{"is switched off", (*cameratest.Camera).Down, (*cameratest.Camera).Up, "connection refused"},
		{"drops the connection", func(c *cameratest.Camera) { c.Down(); c.Up() }, over, "the stream ended"},
		{"resets the connection", (*cameratest.Camera).Reset, over, "the stream ended"},
	}
}

func TestStreamReconnects(t *testing.T) {
	t.Parallel()
	for _, fault := range faults() {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			c := newCamera(t)
			s := open(t, quick(c.URL))
			f := newFrame(t)
			next(t, s, f)
			eventually(t, "a frame that waits", func() bool { return s.Stats().Frames > f.Sequence })
			fault.begin(c)
			eventually(t, "reconnecting", func() bool { return s.State() == Reconnecting })
			eventually(t, fault.want, func() bool { return strings.Contains(s.Stats().LastError, fault.want) })
			lost := time.Now()
			fault.end(c)
			next(t, s, f)
			if got := lag(c, f); got > fresh || !f.Time.After(lost) {
				t.Errorf("after the fault came a frame sent %d frames ago, taken %v before", got, lost.Sub(f.Time))
			}
			if got := s.Stats(); s.State() != Running || got.Reconnects == 0 || got.Stale == 0 || got.Abandoned != 0 {
				t.Errorf("%s, %+v", s.State(), got)
			}
		})
	}
}

// After a change in the middle of a stream, the frames are current and have their new size, whether the connection was
// lost or not.
func TestStreamContinuesAfterAChange(t *testing.T) {
	t.Parallel()
	jump := func(seconds float64) func(*cameratest.Camera) {
		return func(c *cameratest.Camera) { c.Skew.Store(uint32(int64(90000 * seconds))) } // modulo 2^32
	}
	for name, test := range map[string]struct {
		change        func(*cameratest.Camera)
		width, height int
	}{
		"its clock jumps ahead": {jump(3600), 64, 48},
		"its clock jumps back":  {jump(-3600), 64, 48},
		"noise between packets": {(*cameratest.Camera).SendNoise, 64, 48},
		"larger frames":         {func(c *cameratest.Camera) { c.SetSize("320x240") }, 320, 240},
		"smaller frames":        {func(c *cameratest.Camera) { c.SetSize("32x32") }, 32, 32},
		"upright frames":        {func(c *cameratest.Camera) { c.SetSize("48x64") }, 48, 64},
		"back after the switch": {func(c *cameratest.Camera) { c.Down(); c.SetSize("128x96"); c.Up() }, 128, 96},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCamera(t)
			s := open(t, quick(c.URL))
			f := newFrame(t)
			next(t, s, f)
			changed, before := time.Now(), f.Position
			test.change(c)
			eventually(t, "a fresh frame of the right size", func() bool {
				next(t, s, f)
				if f.Position <= before {
					t.Fatalf("position %v after %v", f.Position, before)
				}
				before = f.Position
				return f.Time.Sub(changed) > 2*time.Second && f.Mat.Cols() == test.width && lag(c, f) <= fresh
			})
			if got := s.Stats(); f.Mat.Rows() != test.height || got.Width != test.width || got.Height != test.height {
				t.Errorf("%dx%d, %+v", f.Mat.Cols(), f.Mat.Rows(), got)
			}
		})
	}
}

// A lost stream leaves neither files nor goroutines behind. The test does not run in parallel with others, because it
// counts those of the process.
func TestFaultsLeaveNothingBehind(t *testing.T) {
	c := newCamera(t)
	f := newFrame(t)
	cfg := quick(c.URL)
	cfg.ReadTimeout = 300 * time.Millisecond
	round := func() {
		s, err := Open(cfg, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range faults() {
			next(t, s, f)
			next(t, s, f) // now the rate of the stream is known
			fault.begin(c)
			eventually(t, "reconnecting", func() bool { return s.State() == Reconnecting })
			fault.end(c)
		}
		next(t, s, f)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	round() // the libraries keep some files open
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	round()
	eventually(t, "everything closed", func() bool {
		return openFiles(t) <= files && runtime.NumGoroutine() <= goroutines
	})
}

// openFiles returns the number of open file descriptors of this process.
func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestACameraThatIsSwitchedOnLater(t *testing.T) {
	t.Parallel()
	c := newCamera(t)
	c.Down()
	s := open(t, quick(c.URL))
	eventually(t, "reconnecting", func() bool { return s.State() == Reconnecting })
	c.Up()
	next(t, s, newFrame(t))
	if got := s.Stats(); got.Reconnects != 0 || s.State() != Running {
		t.Errorf("%s, %+v", s.State(), got)
	}
}

func TestCredentialsReachTheCameraButNoLog(t *testing.T) {
	t.Parallel()
	c := newCamera(t)
	c.Down()
	c.User, c.Password = "operator", "s3cr/t@1"
	c.Up()
	for password, state := range map[string]State{"s3cr%2Ft%401": Running, "s3crwrong": Reconnecting} {
		var log logBuffer
		cfg := quick(strings.Replace(c.URL, "://", "://operator:"+password+"@", 1))
		s, err := Open(cfg, zerolog.New(&log))
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, string(state), func() bool { return s.State() == state })
		text := fmt.Sprint(log.String(), s.Stats())
		if strings.Contains(text, "s3cr") || strings.Contains(text, "operator") || !strings.Contains(text, "***@127") {
			t.Errorf("credentials in: %s", text)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The configured transport is requested from the camera.
func TestTransportReachesTheCamera(t *testing.T) {
	t.Parallel()
	c := newCamera(t)
	c.Down()
	c.UDP = true
	c.Up()
	for transport, want := range map[string]gortsplib.Protocol{
		"udp": gortsplib.ProtocolUDP,
		"tcp": gortsplib.ProtocolTCP,
	} {
		cfg := quick(c.URL)
		cfg.Transport = transport
		s := open(t, cfg)
		next(t, s, newFrame(t))
		if got := c.Protocol(); got != want {
			t.Errorf("%s: the camera was requested to use %v", transport, got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
