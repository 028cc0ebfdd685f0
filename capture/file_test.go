package capture

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/capture/cameratest"
)

// at identifies a frame of a file.
type at struct {
	number   int
	sequence uint64
	position time.Duration
	time     time.Time
}

func identify(f Frame) at {
	return at{number(f.Mat), f.Sequence, f.Position.Round(time.Millisecond), f.Time}
}

func fast(path string) Config {
	cfg := Default()
	cfg.URL, cfg.Pace = path, Fast
	cfg.Start = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	return cfg
}

func TestFastReturnsEveryFrameInOrder(t *testing.T) {
	for name, options := range map[string][]string{
		"plain.mp4":     {"-c:v", "libx264", "-bf", "0"},
		"bframes.mp4":   {"-c:v", "libx264", "-bf", "3"},
		"bframes.mkv":   {"-c:v", "libx264", "-bf", "3"},
		"bframes.ts":    {"-c:v", "libx264", "-bf", "3"},
		"motion.avi":    {"-c:v", "mjpeg", "-q:v", "2"},
		"strange:1.mp4": {"-c:v", "libx264"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := fast(clip(t, name, "60", options...))
			s := open(t, cfg)
			for i, got := range all(t, s, identify) {
				position := time.Duration(i) * 40 * time.Millisecond
				want := at{i % greys, uint64(i + 1), position, cfg.Start.Add(position)}
				got.time = got.time.Round(time.Millisecond)
				if got != want {
					t.Errorf("frame %d is %v, want %v", i, got, want)
				}
			}
			want := Stats{Frames: 60, Width: 64, Height: 48, FPS: 25, Codec: "h264", Decoder: "software"}
			if name == "motion.avi" {
				want.Codec = "mjpeg"
			}
			got := s.Stats()
			if got.Decoding <= 0 {
				t.Error("decoding took no time")
			}
			got.Decoding = 0
			if got != want || s.State() != Stopped {
				t.Errorf("%s, %+v, want %+v", s.State(), got, want)
			}
		})
	}
}

func TestNextReturnsTheEndRepeatedly(t *testing.T) {
	s := open(t, fast(clip(t, "a.mp4", "2")))
	all(t, s, identify)
	f := newFrame(t)
	for range 2 {
		if err := s.Next(t.Context(), f); !errors.Is(err, io.EOF) {
			t.Fatalf("after the end: %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Next(t.Context(), f); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestVariableFrameRateKeepsItsTimes(t *testing.T) {
	cfg := fast(clip(t, "a.mp4", "40", "-vf", "select=lt(n\\,10)+gt(n\\,30)", "-vsync", "vfr", "-c:v", "libx264"))
	frames := all(t, open(t, cfg), identify)
	if len(frames) != 40 {
		t.Fatalf("%d frames", len(frames))
	}
	for i, f := range frames {
		n := i
		if i >= 10 {
			n += 21
		}
		if f.position != time.Duration(n)*40*time.Millisecond {
			t.Errorf("frame %d at %v, want %v", i, f.position, time.Duration(n)*40*time.Millisecond)
		}
	}
}

func TestLoopContinuesTheCount(t *testing.T) {
	cfg := fast(clip(t, "a.mp4", "5"))
	cfg.Loop = true
	s := open(t, cfg)
	f := newFrame(t)
	for i := range 17 {
		next(t, s, f)
		want := at{i % 5, uint64(i + 1), time.Duration(i) * 40 * time.Millisecond, f.Time}
		if got := identify(*f); got != want {
			t.Errorf("frame %d is %v, want %v", i, got, want)
		}
	}
}

func TestNativeKeepsThePaceAndTheNewestFrame(t *testing.T) {
	t.Parallel()
	cfg := fast(clip(t, "a.mp4", "30"))
	cfg.Pace = Native
	began := time.Now()
	s := open(t, cfg)
	f := newFrame(t)
	next(t, s, f)
	eventually(t, "the end", func() bool { return s.State() == Stopped })
	if took := time.Since(began); took < 29*40*time.Millisecond {
		t.Errorf("30 frames at 25 a second ended after %v", took)
	}
	next(t, s, f)
	if got := number(f.Mat); got != 29 || f.Sequence != 30 {
		t.Errorf("frame %d, sequence %d is held at the end, not the last", got, f.Sequence)
	}
	if err := s.Next(t.Context(), f); !errors.Is(err, io.EOF) {
		t.Errorf("after the last frame: %v", err)
	}
	if got := s.Stats(); got.Dropped != 28 || got.Frames != 30 {
		t.Errorf("%+v", got)
	}
}

func TestRotationOfTheFileIsApplied(t *testing.T) {
	plain := clip(t, "plain.mp4", "5", "-c:v", "libx264")
	turned := filepath.Join(t.TempDir(), "turned.mp4")
	run(t, cameratest.FFmpeg(t), "-v", "error", "-i", plain, "-c", "copy", "-metadata:s:v:0", "rotate=90", turned)
	s := open(t, fast(turned))
	f := newFrame(t)
	next(t, s, f)
	if f.Mat.Cols() != 48 || f.Mat.Rows() != 64 {
		t.Errorf("%dx%d, want 48x64", f.Mat.Cols(), f.Mat.Rows())
	}
}

func TestDamageInTheMiddleIsSkipped(t *testing.T) {
	path := clip(t, "a.ts", "250", "-c:v", "libx264", "-g", "25")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dice := rand.New(rand.NewPCG(1, 2))
	for i := len(data) / 3; i < len(data)/2; i++ {
		data[i] = byte(dice.Uint32())
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	frames := all(t, open(t, fast(path)), identify)
	last := frames[len(frames)-1]
	if len(frames) < 150 || last.number != 249%greys {
		t.Errorf("%d frames, the last is %v", len(frames), last)
	}
	if !slices.IsSortedFunc(frames, func(a, b at) int { return int(a.position - b.position) }) {
		t.Error("positions do not rise")
	}
}

// concatenated returns the path of a file with the bytes of others, one after the other.
func concatenated(t *testing.T, paths ...string) string {
	t.Helper()
	var data []byte
	for _, path := range paths {
		part, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, part...)
	}
	both := filepath.Join(t.TempDir(), "both.h264")
	if err := os.WriteFile(both, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return both
}

func TestARecordingOfTwoSizesFailsWhereItChanges(t *testing.T) {
	small, large := clip(t, "small.h264", "30"), clip(t, "large.h264", "30", "-vf", "scale=320:240")
	both := concatenated(t, small, large)
	s := open(t, fast(both))
	f := newFrame(t)
	count := 0
	var err error
	for ; err == nil; err = s.Next(t.Context(), f) {
		count++
	}
	if count-1 != 30 || !errors.Is(err, errResized) || !strings.Contains(err.Error(), "both.h264: at 1.16s the "+
		"frames changed their size; cut") {
		t.Errorf("%d frames, then %v", count-1, err)
	}
}

// A warning is logged for a recording that was cut off, and never for a complete one, even if its header declares a
// wrong number of frames.
func TestAFileThatEndsEarlyIsLogged(t *testing.T) {
	t.Parallel()
	const thinned = "select=not(mod(n\\,3))"
	for name, c := range map[string]struct {
		options  []string
		declared string // expected in the log for a cut file; empty: the container declares no duration
	}{
		"a.mp4":   {[]string{"-c:v", "libx264", "-movflags", "+faststart"}, "10s"},
		"a.mkv":   {[]string{"-c:v", "libx264"}, "10s"},
		"a.avi":   {[]string{"-c:v", "libx264"}, "10s"},
		"vfr.mp4": {[]string{"-vf", thinned, "-vsync", "vfr", "-c:v", "libx264", "-movflags", "+faststart"}, "29.92s"},
		"vfr.avi": {[]string{"-vf", thinned, "-vsync", "vfr", "-c:v", "mjpeg"}, "29.92s"},
		"a.ts":    {[]string{"-c:v", "libx264"}, ""},
		"a.h264":  {[]string{"-c:v", "libx264"}, ""},
		"a.mjpeg": {[]string{"-c:v", "mjpeg"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := clip(t, name, "250", c.options...)
			frames, logged := readAll(t, path)
			if frames != 250 || strings.Contains(logged, "ends early") {
				t.Errorf("the whole file: %d frames, %s", frames, logged)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, info.Size()*2/3); err != nil {
				t.Fatal(err)
			}
			frames, logged = readAll(t, path)
			want := `"declared":"` + c.declared + `","message":"the file ends early`
			if frames < 10 || frames > 225 || strings.Contains(logged, want) != (c.declared != "") {
				t.Errorf("the cut file: %d frames, %s", frames, logged)
			}
		})
	}
}

// readAll returns the number of frames in a file, and the log.
func readAll(t *testing.T, path string) (int, string) {
	t.Helper()
	var log logBuffer
	s, err := Open(fast(path), zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	return len(all(t, s, identify)), log.String()
}

// The sound of a recording may be longer than its video.
func TestLongerSoundIsNoDamage(t *testing.T) {
	plain := clip(t, "plain.mp4", "50", "-c:v", "libx264")
	for _, name := range []string{"a.mkv", "a.mp4", "a.avi"} {
		path := filepath.Join(t.TempDir(), name)
		run(t, cameratest.FFmpeg(t), "-v", "error", "-i", plain, "-f", "lavfi", "-i", "sine=d=10", "-c:v", "copy", path)
		frames, logged := readAll(t, path)
		if frames != 50 || strings.Contains(logged, "ends early") {
			t.Errorf("%s: %d frames, %s", name, frames, logged)
		}
	}
}

func TestSoundAloneIsNoVideo(t *testing.T) {
	cover := clip(t, "c.jpg", "1")
	for name, options := range map[string][]string{
		"a.mp3":     {"-c:a", "libmp3lame"},
		"a.m4a":     {"-c:a", "aac"},
		"a.wav":     {},
		"cover.mp3": {"-i", cover, "-map", "0", "-map", "1", "-c:v", "copy", "-c:a", "libmp3lame"},
	} {
		path := filepath.Join(t.TempDir(), name)
		run(t, cameratest.FFmpeg(t), append(append([]string{"-v", "error", "-f", "lavfi", "-i", "sine=d=2"}, options...),
			path)...)
		_, err := Open(fast(path), zerolog.Nop())
		if reasonOf(err) != ReasonNoVideo || !strings.Contains(err.Error(), "no video in it, only ") ||
			strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenReturnsErrors(t *testing.T) {
	directory := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty := filepath.Join(directory, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		url  string
		is   error
		want string
	}{
		{directory + "/gone.mp4", fs.ErrNotExist, "file does not exist; check the path"},
		{"file://" + directory + "/gone.mp4", fs.ErrNotExist, "file does not exist; check the path"},
		{write("noise.mp4", "this is no video"), nil, "noise.mp4: not a video that FFmpeg can read"},
		{write("empty.mp4", ""), nil, "empty.mp4: not a video that FFmpeg can read"},
		{write("noise.jpg", "this is no image"), nil, "noise.jpg: not an image: JPEG"},
		{empty, nil, "empty: no JPEG, PNG, WebP or BMP in this directory"},
		{"/dev/null", nil, "/dev/null: neither a file nor a directory"},
		{"ftp://joe:secret@host/a.mp4", nil, `url: ftp://***@host/a.mp4: scheme "ftp" is not supported`},
	} {
		cfg := fast(c.url)
		s, err := Open(cfg, zerolog.Nop())
		if err == nil {
			t.Errorf("Open(%s) succeeded", c.url)
			_ = s.Close()
			continue
		}
		if !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("Open(%s): %v, want %s", c.url, err, c.want)
		}
	}
}

func TestAFileWithoutReadPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	path := filepath.Join(t.TempDir(), "a.mp4")
	if err := os.WriteFile(path, nil, 0); err != nil {
		t.Fatal(err)
	}
	_, err := Open(fast(path), zerolog.Nop())
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "allow the user of this program to read it") {
		t.Error(err)
	}
}

func TestCloseWhileNextWaitsAndWhileTheSourceWaits(t *testing.T) {
	path := clip(t, "a.mp4", "200")
	s := open(t, fast(path)) // the source waits for Next
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := fast(path)
	cfg.Pace = Native
	s = open(t, cfg)
	f := newFrame(t)
	ended := make(chan error)
	go func() {
		for {
			if err := s.Next(context.Background(), f); err != nil {
				ended <- err
				return
			}
		}
	}()
	time.Sleep(100 * time.Millisecond)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("Next returned %v", err)
	}
}

func TestNextNeedsAMatAndAContext(t *testing.T) {
	s := open(t, fast(clip(t, "a.mp4", "1")))
	if err := s.Next(t.Context(), &Frame{}); err == nil {
		t.Error("Next took a frame without Mat")
	}
	f := newFrame(t)
	next(t, s, f)
	live := open(t, quick("rtsp://127.0.0.1:1/nobody"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := live.Next(ctx, f); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Next returned %v", err)
	}
}

// A reader that is slower than its source must not get another frame after its context has ended.
func TestNextReturnsNoFrameAfterTheContext(t *testing.T) {
	s := open(t, fast(clip(t, "a.mp4", "3")))
	f := newFrame(t)
	next(t, s, f)
	eventually(t, "a frame that waits", func() bool { return s.Stats().Frames == 2 })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if err := s.Next(ended, f); !errors.Is(err, context.Canceled) {
			t.Fatalf("Next returned %v", err)
		}
	}
	next(t, s, f)
	if f.Sequence != 2 {
		t.Errorf("frame %d after the first one", f.Sequence)
	}
}

// BenchmarkFast measures a frame on its way from a 720p file to the caller, decoding included.
func BenchmarkFast(b *testing.B) {
	cfg := fast(clip(b, "a.mp4", "250", "-vf", "scale=1280:720", "-c:v", "libx264", "-preset", "ultrafast"))
	cfg.Loop = true
	s := open(b, cfg)
	f := newFrame(b)
	b.ReportAllocs()
	for b.Loop() {
		next(b, s, f)
	}
}
