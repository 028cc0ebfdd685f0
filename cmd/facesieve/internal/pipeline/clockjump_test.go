package pipeline

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"
	"unsafe"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/quality"
)

// readAfterJump returns what time.Now would return at the time at if the machine's clock had been set forward by jump:
// the wall clock differs, the monotonic clock does not. A test must not set the clock of the machine, so this writes
// the fields of time.Time: in the first word, the seconds of the wall clock are above 30 bits of nanoseconds; the
// second word is the monotonic clock.
func readAfterJump(t *testing.T, at time.Time, jump time.Duration) time.Time {
	t.Helper()
	jumped := at
	wall := (*uint64)(unsafe.Pointer(&jumped))
	*wall += uint64(jump/time.Second) << 30
	if got := jumped.Sub(at); got != 0 { // Sub uses the monotonic clock
		t.Fatalf("the monotonic clock jumped by %v", got)
	}
	if got := jumped.Round(0).Sub(at.Round(0)); got != jump {
		t.Fatalf("the wall clock jumped by %v", got)
	}
	return jumped
}

// recordingSink records the decisions that it receives.
type recordingSink struct{ sent, rejected []string }

func (s *recordingSink) Face(c *Candidate) error {
	s.sent = append(s.sent, fmt.Sprintf("track %d, %.4f", c.Track, c.Judgement.Score.Value))
	return nil
}

func (s *recordingSink) Rejected(c *Candidate, reason quality.Reason) error {
	s.rejected = append(s.rejected, fmt.Sprintf("track %d, %s", c.Track, reason))
	return nil
}

// The times of a camera's frames come from the machine's clock. If the clock is set forward during the recording, as
// after a boot without a battery, or back, the tracks and the faces that are sent stay the same.
func TestClockJumpChangesNoDecision(t *testing.T) {
	video := testsupport.SharedVideo(t, "two_heads.mp4")
	want := processWithJump(t, video, 0)
	if len(want.sent) < 2 {
		t.Fatalf("sent %v", want.sent)
	}
	for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour, -2 * time.Second, 56 * 365 * 24 * time.Hour} {
		if got := processWithJump(t, video, jump); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("with a jump of %v: %+v, without a jump: %+v", jump, got, want)
		}
	}
}

// processWithJump runs a pipeline on the frames of a recording as if a camera had sent them. The clock jumps before
// frame 20.
func processWithJump(t *testing.T, video string, jump time.Duration) *recordingSink {
	t.Helper()
	cfg := config.Default()
	camera := cfg.NewCamera()
	camera.Quality.Threshold = 0
	camera.Quality.Policy, camera.Quality.Interval = quality.PolicyInterval, time.Second
	e, err := NewEngine(newTestPool(t), camera.Detect, camera.Quality)
	if err != nil {
		t.Fatal(err)
	}
	out := &recordingSink{}
	p, err := New(camera, e, Options{Sink: out}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	source := capture.Default()
	source.URL, source.Pace = video, capture.Fast
	s, err := capture.Open(source, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	frame := capture.Frame{Mat: gocv.NewMat()}
	defer func() { frame.Mat.Close() }()
	began := time.Now()
	for n := 0; ; n++ {
		if err := s.Next(t.Context(), &frame); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		frame.Time = began.Add(frame.Position)
		if n >= 20 {
			frame.Time = readAfterJump(t, frame.Time, jump)
		}
		if err := p.processFrame(t.Context(), &frame); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	return out
}
