package publish

import (
	"testing"
	"time"

	"facesieve/publish/event"
)

func TestBackoff(t *testing.T) {
	b := newBackOff(100*time.Millisecond, time.Second)
	for _, most := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		most *= time.Millisecond
		if wait := b.NextBackOff(); wait < most/2 || wait > most {
			t.Errorf("%v is not in %v..%v", wait, most/2, most)
		}
	}
	b.Reset()
	if wait := b.NextBackOff(); wait > 100*time.Millisecond {
		t.Error(wait)
	}
}

func TestStatesCoalesce(t *testing.T) {
	s := states{latest: map[string]event.State{}, sent: map[string]event.State{}}
	at := func(camera, state string, fps float64) event.State {
		return event.State{Camera: camera, State: state, FPS: fps}
	}
	if !s.set(at("b", event.Running, 1)) || !s.set(at("a", event.Running, 1)) {
		t.Error("the first state waits")
	}
	if due := s.due(false); len(due) != 2 || due[0].Camera != "a" {
		t.Errorf("%v", due)
	}
	s.recordSent(at("a", event.Running, 1))
	s.recordSent(at("b", event.Running, 1))
	if s.set(at("a", event.Running, 2)) || s.set(at("a", event.Running, 3)) || len(s.due(false)) != 0 {
		t.Error("another rate does not wait")
	}
	if due := s.due(true); len(due) != 1 || due[0].FPS != 3 {
		t.Errorf("%v", due)
	}
	if !s.set(at("a", event.Stopped, 0)) || len(s.due(false)) != 1 {
		t.Error("another state waits")
	}
	s.resetSent()
	if len(s.due(false)) != 2 {
		t.Error("a new connection has sent no state")
	}
}
