package capture

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"gocv.io/x/gocv"
)

// At ten frames a second of 25, the same frames are delivered whether or not the others can be omitted before they are
// decoded. All are counted.
func TestTheRateSelectsTheSameFramesOfEveryCodec(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		options []string
	}{
		{"plain.mp4", []string{"-c:v", "libx264", "-bf", "0"}},
		{"pyramid.mp4", []string{"-c:v", "libx264", "-bf", "3", "-b_strategy", "0"}},
		{"pyramid.ts", []string{"-c:v", "libx264", "-bf", "3", "-b_strategy", "0"}},
		{"hevc.mkv", []string{"-c:v", "libx265", "-x265-params", "log-level=none:bframes=3:b-adapt=0"}},
		{"layers.mp4", []string{"-c:v", "libx265", "-x265-params", "log-level=none:bframes=3:b-adapt=0:temporal-layers=3"}},
		{"motion.avi", []string{"-c:v", "mjpeg", "-q:v", "2"}},
	} {
		cfg := fast(clip(t, c.name, "50", c.options...))
		cfg.MaxFPS = 10
		s := open(t, cfg)
		got := all(t, s, func(f Frame) int { return number(f.Mat) })
		want := []int{0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28, 30, 33, 35, 38, 40, 43, 45, 48}
		stats := s.Stats()
		if !slices.Equal(got, want) || stats.Frames != 50 || stats.OverRate != 30 || stats.Delivered() != 20 {
			t.Errorf("%s: %v, %+v", c.name, got, stats)
		}
	}
}

// A frame that others refer to is decoded, whatever the rate. In a stream without B-frames these are all.
func TestOnlyFramesThatNoOtherRefersToAreOmitted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		options []string
		omitted int
	}{
		{"plain.mp4", []string{"-c:v", "libx264", "-bf", "0"}, 0},
		{"pyramid.mp4", []string{"-c:v", "libx264", "-bf", "3", "-b_strategy", "0", "-g", "100", "-sc_threshold", "0"}, 15},
		{"hevc.mp4", []string{"-c:v", "libx265", "-x265-params", "log-level=none:bframes=3:b-adapt=0:keyint=100"}, 16},
	} {
		r := newTestReader(t, clip(t, c.name, "50", c.options...))
		omitted := 0
		for {
			info, err := r.next(wanted{period: 100 * time.Millisecond})
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if info.omitted == overRate {
				omitted++
			}
		}
		if omitted < c.omitted-2 || omitted > c.omitted+2 {
			t.Errorf("%s: %d frames were omitted, want about %d", c.name, omitted, c.omitted)
		}
	}
}

// newTestReader opens a file. The reader is closed at the end of the test.
func newTestReader(t *testing.T, path string) *reader {
	t.Helper()
	r, err := newReader(mediaOptions{maxPixels: 1 << 20, paced: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	if err := r.openFile(path); err != nil {
		t.Fatal(err)
	}
	return r
}

// The rate can change while frames arrive.
func TestTheRateChanges(t *testing.T) {
	t.Parallel()
	cfg := fast(clip(t, "a.mp4", "100", "-c:v", "libx264"))
	cfg.MaxFPS = 1
	s := open(t, cfg)
	f := newFrame(t)
	for range 2 {
		next(t, s, f)
	}
	s.SetMaxFPS(0)
	after := 99 - number(f.Mat) // the second one is among the first 50
	rest := all(t, s, func(f Frame) int { return number(f.Mat) })
	if len(rest) < after-25 || len(rest) > after { // those of the next second may have been captured before the change
		t.Errorf("%d of %d frames", len(rest), after)
	}
}

// The grid selects by timestamps, if they can be right.
func TestGrid(t *testing.T) {
	t.Parallel()
	ms := func(n ...int) (all []time.Duration) {
		for _, one := range n {
			all = append(all, time.Duration(one)*time.Millisecond)
		}
		return all
	}
	for _, c := range []struct {
		name   string
		stamps []time.Duration
		clock  []time.Duration // of the reads; nil: as the stamps
		live   bool
		want   []bool
	}{
		{"25 a second", ms(0, 40, 80, 120, 160, 200), nil, true, []bool{true, false, false, true, false, true}},
		{"slower than the rate", ms(0, 200, 400), nil, true, []bool{true, true, true}},
		{"the rate itself, with jitter", ms(0, 95, 204, 291, 408, 490), nil, true, []bool{true, true, true, true, true, true}},
		{"a restart of the clock", ms(9000, 9040, 0, 40, 100), ms(0, 40, 80, 120, 180), true, []bool{true, false, true, false, true}},
		{"stamps that stand still", ms(5, 5, 5, 5, 5, 5), ms(0, 40, 100, 160, 200, 240), true, []bool{true, false, false, false, true, false}},
		{"stamps that are too fast", ms(0, 1000, 2000, 3000), ms(0, 40, 80, 120), true, []bool{true, false, true, false}},
		{"a recording is read faster", ms(0, 40, 100, 200), ms(0, 1, 2, 3), false, []bool{true, false, true, true}},
	} {
		if c.clock == nil {
			c.clock = c.stamps
		}
		var g grid
		var got []bool
		begin := time.Now()
		for i, stamp := range c.stamps {
			got = append(got, g.selects(stamp, 100*time.Millisecond, begin.Add(c.clock[i]), c.live))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// take reads frames until one has this number, and returns the numbers of all. A frame that is omitted counts as -1.
func take(t *testing.T, r *reader, w wanted, last int) (numbers []int) {
	t.Helper()
	mat := gocv.NewMat()
	defer func() { _ = mat.Close() }()
	for {
		info, err := r.next(w)
		if err != nil {
			t.Fatalf("%v: %v", numbers, err)
		}
		if info.omitted != delivered {
			numbers = append(numbers, -1)
			continue
		}
		convert(t, r, &mat)
		numbers = append(numbers, number(mat))
		if numbers[len(numbers)-1] == last {
			return numbers
		}
	}
}

// decodedIn returns the numbers of the frames that were decoded.
func decodedIn(numbers []int) []int {
	return slices.DeleteFunc(numbers, func(n int) bool { return n < 0 })
}

// While nothing moves, key frames alone are decoded, without delay. Afterwards decoding resumes after the last key frame.
// No frame is delivered twice, or damaged.
func TestKeyFramesAloneWhileIdle(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]string{
		"plain.mp4":   {"-c:v", "libx264", "-bf", "0", "-g", "10", "-sc_threshold", "0"},
		"pyramid.mp4": {"-c:v", "libx264", "-bf", "3", "-b_strategy", "0", "-g", "10", "-sc_threshold", "0"},
		"open.mp4":    {"-c:v", "libx264", "-bf", "2", "-x264-params", "open-gop=1", "-g", "10", "-sc_threshold", "0"},
		"hevc.mp4":    {"-c:v", "libx265", "-x265-params", "log-level=none:bframes=3:keyint=10:min-keyint=10:scenecut=0"},
	} {
		r := newTestReader(t, clip(t, name, "50", options...))
		take(t, r, wanted{}, 5)
		keys := decodedIn(take(t, r, wanted{keyFrames: true}, 30))
		if keys = slices.DeleteFunc(keys, func(n int) bool { return n < 10 }); !slices.Equal(keys, []int{10, 20, 30}) {
			t.Errorf("%s: key frames %v", name, keys)
		}
		for range 3 { // packets that come before the motion is reported
			if _, err := r.next(wanted{keyFrames: true}); err != nil {
				t.Fatal(err)
			}
		}
		if got := take(t, r, wanted{}, 39); !slices.Equal(got, []int{31, 32, 33, 34, 35, 36, 37, 38, 39}) {
			t.Errorf("%s: resumed with %v", name, got)
		}
	}
}

// If motion is reported long after a key frame, decoding resumes at the next one.
func TestDecodingResumesAtTheNextKeyFrame(t *testing.T) {
	t.Parallel()
	r := newTestReader(t, clip(t, "a.mp4", "250", "-c:v", "libx264", "-g", "100", "-sc_threshold", "0"))
	take(t, r, wanted{}, 5)
	for range 2 { // frame 50, and the key frame 100
		take(t, r, wanted{keyFrames: true}, 0)
	}
	for range 80 {
		if info, err := r.next(wanted{keyFrames: true}); err != nil || info.omitted != idle {
			t.Fatal(info, err)
		}
	}
	got := decodedIn(take(t, r, wanted{}, 5))
	if !slices.Equal(got, []int{0, 1, 2, 3, 4, 5}) { // from frame 200
		t.Errorf("resumed with %v", got)
	}
}

// A camera over RTSP delivers at the rate, and key frames alone while idle. It counts every frame that the camera sends.
func TestACameraDeliversWhatIsNeeded(t *testing.T) {
	t.Parallel()
	cfg := unhurried(newCamera(t).URL)
	cfg.MaxFPS, cfg.Idle = 10, IdleKeyFrames
	s := open(t, cfg)
	f := newFrame(t)
	for range 10 {
		next(t, s, f)
	}
	stats := s.Stats()
	if stats.OverRate == 0 || stats.Idle != 0 || f.Sequence < 10 || stats.Decoder != Software {
		t.Errorf("%+v, frame %d", stats, f.Sequence)
	}
	s.SetIdle(true)
	eventually(t, "key frames alone", func() bool { return s.Stats().Idle > 0 })
	before := s.Stats()
	for range 3 { // the one before may have waited
		next(t, s, f)
	}
	eventually(t, "the third key frame", func() bool { return s.Stats().Frames >= before.Frames+20 })
	after := s.Stats()
	if sent, decoded := after.Frames-before.Frames, after.Delivered()-before.Delivered(); decoded > sent/5 {
		t.Errorf("%d of %d frames were decoded while idle", decoded, sent)
	}
	s.SetIdle(false)
	eventually(t, "all frames", func() bool {
		before := s.Stats()
		next(t, s, f)
		next(t, s, f)
		return s.Stats().Idle == before.Idle
	})
	if s.State() != Running || s.Stats().Reconnects != 0 {
		t.Errorf("%s, %+v", s.State(), s.Stats())
	}
}
