package publish

import (
	"encoding/json"
	"testing"
	"time"
)

func TestQueueRefusesWhatDoesNotFit(t *testing.T) {
	q := queue{limit: 3}
	a, b, c := &entry{topic: "a"}, &entry{topic: "b"}, &entry{topic: "c"}
	if !q.push(a) || !q.push(b) || q.push(c, c) || !q.push(c) || q.push(a) {
		t.Fatal("bound not kept")
	}
	q.rotate()
	for i, want := range []*entry{b, c, a} {
		if q.at(i) != want {
			t.Errorf("%d: %s", i, q.at(i).topic)
		}
	}
	q.pop()
	if q.len() != 2 || q.at(0) != c || q.at(2) != nil {
		t.Error(q.len())
	}
}

// The four ways to be replayed or not, as the package comment promises.
func TestReplayed(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		entry entry
		want  bool
	}{
		"same connection":       {entry{link: 3, accepted: now}, false},
		"broker was away":       {entry{link: 0, accepted: now}, true},
		"connection was lost":   {entry{link: 2, accepted: now}, true},
		"behind a long backlog": {entry{link: 3, accepted: now.Add(-late - time.Second)}, true},
	} {
		e := sampleEvent("door", 1)
		c.entry.event = &e
		var sent Event
		if err := json.Unmarshal(c.entry.payload(3), &sent); err != nil || sent.Replayed != c.want {
			t.Errorf("%s: replayed %v, %v", name, sent.Replayed, err)
		}
		if e.Replayed {
			t.Errorf("%s: changes the accepted event", name)
		}
	}
}

func TestBackoff(t *testing.T) {
	b := backoff{min: 100 * time.Millisecond, max: time.Second}
	for _, most := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		most *= time.Millisecond
		if wait := b.wait(); wait < most/2 || wait > most {
			t.Errorf("%v is not in %v..%v", wait, most/2, most)
		}
	}
	b.reset()
	if wait := b.wait(); wait > 100*time.Millisecond {
		t.Error(wait)
	}
}

func TestStatesCoalesce(t *testing.T) {
	s := states{latest: map[string]State{}, sent: map[string]State{}}
	at := func(camera, word string, fps float64) State { return State{Camera: camera, State: word, FPS: fps} }
	if !s.set(at("b", Running, 1)) || !s.set(at("a", Running, 1)) {
		t.Error("the first state waits")
	}
	if due := s.due(false); len(due) != 2 || due[0].Camera != "a" {
		t.Errorf("%v", due)
	}
	s.known(at("a", Running, 1))
	s.known(at("b", Running, 1))
	if s.set(at("a", Running, 2)) || s.set(at("a", Running, 3)) || len(s.due(false)) != 0 {
		t.Error("another rate does not wait")
	}
	if due := s.due(true); len(due) != 1 || due[0].FPS != 3 {
		t.Errorf("%v", due)
	}
	if !s.set(at("a", Stopped, 0)) || len(s.due(false)) != 1 {
		t.Error("another word waits")
	}
	s.forget()
	if len(s.due(false)) != 2 {
		t.Error("a new connection knows something")
	}
}
