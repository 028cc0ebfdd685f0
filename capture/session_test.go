package capture

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"
)

// hanging is a source whose calls block until they are released, like those into a driver that has failed. The calls
// are counted over all sessions.
type hanging struct {
	calls   chan func() // what the calls do, in order
	release chan struct{}
	closed  chan struct{} // one token for each close
}

func newHanging(calls ...string) *hanging {
	h := &hanging{calls: make(chan func(), 100), release: make(chan struct{}), closed: make(chan struct{}, 100)}
	for _, call := range calls {
		h.calls <- map[string]func(){"hang": func() { <-h.release }, "ok": func() {}}[call]
	}
	return h
}

func (h *hanging) call() {
	select {
	case do := <-h.calls:
		do()
	default:
		time.Sleep(5 * time.Millisecond)
	}
}

func (h *hanging) open(_ context.Context, _ Config, _ target, w *watchdog) (input, error) {
	w.start(300 * time.Millisecond)
	defer w.stop()
	h.call()
	return h, nil
}

func (h *hanging) read(context.Context, wanted, *gocv.Mat) (frameInfo, error) {
	h.call()
	time.Sleep(15 * time.Millisecond)
	return frameInfo{}, nil
}

func (h *hanging) shape() shape { return shape{fps: 100} }

func (h *hanging) close() { h.closed <- struct{}{} }

func (h *hanging) start(t *testing.T) *Source {
	t.Helper()
	cfg := quick("gst:! appsink")
	cfg.ReadTimeout = 300 * time.Millisecond
	s, err := start(cfg, liveTarget(h.open), zerolog.New(zerolog.NewTestWriter(t)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// liveTarget returns the target of a live source that open opens.
func liveTarget(open opener) target { return target{kind: kind{live: true, open: open}, label: "test"} }

func TestABlockedReadIsAbandonedAndReplaced(t *testing.T) {
	t.Parallel()
	h := newHanging("ok", "ok", "ok", "ok", "hang")
	s := h.start(t)
	f := newFrame(t)
	next(t, s, f)
	eventually(t, "reconnecting", func() bool { return s.State() == Reconnecting })
	if got := s.Stats(); got.Abandoned != 0 {
		t.Errorf("abandoned too early: %+v", got)
	}
	next(t, s, f)
	if got := s.Stats(); got.Abandoned != 1 || got.Reconnects != 1 || s.State() != Running {
		t.Errorf("%s, %+v", s.State(), got)
	}
	close(h.release)
	<-h.closed // the abandoned session frees its resources while the new one captures
	next(t, s, f)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestAtMostTwoCallsAreBlocked(t *testing.T) {
	t.Parallel()
	h := newHanging("hang", "hang")
	s := h.start(t)
	eventually(t, "two abandoned", func() bool { return s.Stats().Abandoned == 2 })
	time.Sleep(300 * time.Millisecond) // several pauses
	if left := len(h.calls); left != 0 {
		t.Fatalf("%d calls left", left)
	}
	if got := s.Stats(); got.Abandoned != 2 || got.Frames != 0 || s.State() != Reconnecting {
		t.Errorf("a third session began: %s, %+v", s.State(), got)
	}
	h.release <- struct{}{}
	next(t, s, newFrame(t)) // one has returned, so a third session may begin
	if err := s.Close(); err == nil {
		t.Error("Close returned no error while a call is blocked")
	}
	close(h.release)
	<-h.closed
	<-h.closed
}

func TestCloseIsBoundedWhileACallIsBlocked(t *testing.T) {
	t.Parallel()
	h := newHanging("ok", "ok", "hang")
	s := h.start(t)
	f := newFrame(t)
	next(t, s, f)
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	if err := s.Close(); err == nil {
		t.Error("Close returned no error while a call is blocked")
	}
	if took := time.Since(began); took > patience {
		t.Errorf("Close took %v", took)
	}
	if err := s.Next(t.Context(), f); !errors.Is(err, ErrClosed) {
		t.Errorf("Next after Close: %v", err)
	}
	close(h.release)
	<-h.closed
	eventually(t, "closed again when all calls have returned", func() bool { return s.Close() == nil })
}

// failing is a source that ends after five frames.
type failing struct{ frames int }

func (x *failing) read(context.Context, wanted, *gocv.Mat) (frameInfo, error) {
	if x.frames++; x.frames > 5 {
		return frameInfo{}, io.EOF
	}
	time.Sleep(15 * time.Millisecond)
	return frameInfo{}, nil
}
func (x *failing) shape() shape { return shape{fps: 100} }
func (x *failing) close()       {}

func TestALiveSourceHasNoEnd(t *testing.T) {
	t.Parallel()
	open := func(context.Context, Config, target, *watchdog) (input, error) { return &failing{}, nil }
	s, err := start(quick("gst:! appsink"), liveTarget(open), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "three reconnects", func() bool { return s.Stats().Reconnects >= 3 })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := s.Stats(); s.State() != Stopped || got.LastError != "the stream ended" {
		t.Errorf("%s, %+v", s.State(), got)
	}
}
