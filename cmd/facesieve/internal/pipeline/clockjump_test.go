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

// readAfterJump is what time.Now gives at moment t when somebody has set the machine's clock by jump: another wall clock, the
// same monotonic one. A test must not set the clock of the machine, so this writes the fields of time.Time: the seconds of
// the wall clock stand above the 30 bits of the nanoseconds, the monotonic clock in the second word.
func readAfterJump(t *testing.T, at time.Time, jump time.Duration) time.Time {
	t.Helper()
	jumped := at
	wall := (*uint64)(unsafe.Pointer(&jumped))
	*wall += uint64(jump/time.Second) << 30
	if got := jumped.Sub(at); got != 0 { // Sub goes by the monotonic clock
		t.Fatalf("%v passed", got)
	}
	if got := jumped.Round(0).Sub(at.Round(0)); got != jump {
		t.Fatalf("the wall clock jumped by %v", got)
	}
	return jumped
}

// noted is a sink that writes down what it is given.
type noted struct{ sent, refused []string }

func (n *noted) Face(c *Candidate) error {
	n.sent = append(n.sent, fmt.Sprintf("track %d, %.4f", c.Track, c.Judgement.Score.Value))
	return nil
}

func (n *noted) Rejected(c *Candidate, reason quality.Reason) error {
	n.refused = append(n.refused, fmt.Sprintf("track %d, %s", c.Track, reason))
	return nil
}

// A camera's frames bear the machine's clock. When that is set in the middle, by a day ahead as after a boot without a
// battery, or back, the same tracks begin and end and the same faces are sent as if nothing had happened.
func TestTheClockOfTheMachineJumps(t *testing.T) {
	video := testsupport.SharedVideo(t, "two_heads.mp4")
	want := watchWithJump(t, video, 0)
	if len(want.sent) < 2 {
		t.Fatalf("sent %v", want.sent)
	}
	for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour, -2 * time.Second, 56 * 365 * 24 * time.Hour} {
		if got := watchWithJump(t, video, jump); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("after a jump of %v: %+v, without %+v", jump, got, want)
		}
	}
}

// watchWithJump runs a pipeline on the frames of a recording as if a camera had sent them, and sets the clock in the middle.
func watchWithJump(t *testing.T, video string, jump time.Duration) *noted {
	t.Helper()
	cfg := config.Default()
	camera := cfg.NewCamera()
	camera.Quality.Threshold = 0
	camera.Quality.Policy, camera.Quality.Interval = quality.PolicyInterval, time.Second
	e, err := NewEngine(newTestPool(t), camera.Detect, camera.Quality)
	if err != nil {
		t.Fatal(err)
	}
	out := &noted{}
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
