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

// hanging is a source whose call number n, counted over all its opens, blocks until it is let go: a driver that died.
type hanging struct {
	calls  chan func() // what the calls do, in order
	letGo  chan struct{}
	closed chan struct{} // one token for each close
}

func newHanging(calls ...string) *hanging {
	h := &hanging{calls: make(chan func(), 100), letGo: make(chan struct{}), closed: make(chan struct{}, 100)}
	for _, call := range calls {
		h.calls <- map[string]func(){"hang": func() { <-h.letGo }, "ok": func() {}}[call]
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

func (h *hanging) open(_ context.Context, dog *watchdog) (input, error) {
	dog.watch(100 * time.Millisecond)
	defer dog.rest()
	h.call()
	return h, nil
}

func (h *hanging) read(context.Context, *gocv.Mat) (time.Duration, error) {
	h.call()
	time.Sleep(15 * time.Millisecond)
	return 0, nil
}

func (h *hanging) shape() shape { return shape{fps: 100} }

func (h *hanging) close() { h.closed <- struct{}{} }

func (h *hanging) start(t *testing.T) *Source {
	t.Helper()
	cfg := quick("gst:! appsink")
	cfg.ReadTimeout = 100 * time.Millisecond
	s, err := start(cfg, target{kind: kindPipeline, label: "hanging"}, h.open, zerolog.New(zerolog.NewTestWriter(t)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAReadThatHangsIsAbandonedAndReplaced(t *testing.T) {
	t.Parallel()
	h := newHanging("ok", "ok", "ok", "ok", "hang")
	s := h.start(t)
	f := newFrame(t)
	next(t, s, f)
	eventually(t, "reconnecting", func() bool { return s.State() == Reconnecting })
	if got := s.Stats(); got.Abandoned != 0 {
		t.Errorf("abandoned before its time: %+v", got)
	}
	next(t, s, f)
	if got := s.Stats(); got.Abandoned != 1 || got.Reconnects != 1 || s.State() != Running {
		t.Errorf("%s, %+v", s.State(), got)
	}
	close(h.letGo)
	<-h.closed // the abandoned one cleans up, while the new one goes on
	next(t, s, f)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestNoMoreThanOneCallIsLeftOut(t *testing.T) {
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
	h.letGo <- struct{}{}
	next(t, s, newFrame(t)) // one is back, so a third may begin
	if err := s.Close(); err == nil {
		t.Error("Close said nothing about the call that is still out")
	}
	close(h.letGo)
	<-h.closed
	<-h.closed
}

func TestCloseIsBoundedWhileACallHangs(t *testing.T) {
	t.Parallel()
	h := newHanging("ok", "ok", "hang")
	s := h.start(t)
	f := newFrame(t)
	next(t, s, f)
	time.Sleep(50 * time.Millisecond)
	begun := time.Now()
	if err := s.Close(); err == nil {
		t.Error("Close hid that a call is out")
	}
	if took := time.Since(begun); took > patience {
		t.Errorf("Close took %v", took)
	}
	if err := s.Next(t.Context(), f); !errors.Is(err, ErrClosed) {
		t.Errorf("Next after Close: %v", err)
	}
	close(h.letGo)
	<-h.closed
	eventually(t, "closed again with all calls back", func() bool { return s.Close() == nil })
}

// failing is a source that ends after every frame.
type failing struct{ frames int }

func (x *failing) read(context.Context, *gocv.Mat) (time.Duration, error) {
	if x.frames++; x.frames > 5 {
		return 0, io.EOF
	}
	time.Sleep(15 * time.Millisecond)
	return 0, nil
}
func (x *failing) shape() shape { return shape{fps: 100} }
func (x *failing) close()       {}

func TestALiveSourceHasNoEnd(t *testing.T) {
	t.Parallel()
	open := func(context.Context, *watchdog) (input, error) { return &failing{}, nil }
	s, err := start(quick("gst:! appsink"), target{kind: kindPipeline, label: "failing"}, open, zerolog.Nop())
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
