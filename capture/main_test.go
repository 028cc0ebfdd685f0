package capture

import (
	"context"
	"errors"
	"flag"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
	"gocv.io/x/gocv"

	"facesieve/capture/cameratest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "12") // most tests wait
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for an event that is expected within a second or two. Other programs may have the
// processor meanwhile.
const patience = 40 * time.Second

// grey is the source of the videos of these tests, as an input of ffmpeg. number returns n modulo greys from the grey
// of frame n.
const (
	grey  = "nullsrc=size=64x48:rate=25,geq=lum=16+4*mod(N\\,50):cb=128:cr=128"
	greys = 50
)

func number(m gocv.Mat) int {
	mean := m.Mean() // BGR of limited range: (Y-16)*255/219
	return int((mean.Val1+mean.Val2+mean.Val3)/3*219/255/4+0.5) % greys
}

// newCamera starts an RTSP camera that shows the grey video.
func newCamera(t testing.TB) *cameratest.Camera {
	t.Helper()
	return cameratest.New(t, "64x48", func(size string) []string {
		return []string{"-f", "lavfi", "-i", strings.Replace(grey, "64x48", size, 1)}
	})
}

// clip creates a video with this number of grey frames in a new directory.
func clip(t testing.TB, name, frames string, options ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	options = append([]string{"-v", "error", "-f", "lavfi", "-i", grey, "-frames:v", frames}, options...)
	run(t, cameratest.FFmpeg(t), append(options, path)...)
	return path
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// quick is a configuration for tests that wait for failures.
func quick(url string) Config {
	cfg := Default()
	cfg.URL = url
	cfg.OpenTimeout, cfg.ReadTimeout = 4*time.Second, time.Second
	cfg.ReconnectMin, cfg.ReconnectMax = 50*time.Millisecond, 200*time.Millisecond
	return cfg
}

// unhurried is a configuration for tests in which no attempt may fail because the machine is busy.
func unhurried(url string) Config {
	cfg := quick(url)
	cfg.OpenTimeout, cfg.ReadTimeout = patience, patience
	return cfg
}

// open opens a source and closes it at the end of the test.
func open(t testing.TB, cfg Config) *Source {
	t.Helper()
	s, err := Open(cfg, zerolog.New(zerolog.NewTestWriter(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newFrame returns a frame whose Mat is closed at the end of the test.
func newFrame(t testing.TB) *Frame {
	f := &Frame{Mat: gocv.NewMat()}
	t.Cleanup(func() { _ = f.Mat.Close() })
	return f
}

// next waits for a frame.
func next(t testing.TB, s *Source, f *Frame) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Next(ctx, f); err != nil {
		t.Fatalf("Next: %v; state %s, %+v", err, s.State(), s.Stats())
	}
}

// all reads to the end and returns the result of keep for each frame.
func all[T any](t testing.TB, s *Source, keep func(Frame) T) []T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var kept []T
	f := newFrame(t)
	for {
		switch err := s.Next(ctx, f); {
		case errors.Is(err, io.EOF):
			return kept
		case err != nil:
			t.Fatalf("Next: %v", err)
		}
		kept = append(kept, keep(*f))
	}
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("did not happen: %s", what)
		}
	}
}

// logBuffer stores log messages.
type logBuffer struct {
	mu   sync.Mutex
	text []byte
}

func (j *logBuffer) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text = append(j.text, p...)
	return len(p), nil
}

func (j *logBuffer) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return string(j.text)
}

func noLog() zerolog.Logger { return zerolog.Nop() }
