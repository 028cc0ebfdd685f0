package publish

import (
	"slices"
	"sync"
	"testing"

	"facesieve/publish/event"
	"facesieve/publish/publishtest"
)

// reports collects the feedback that a publisher passes on.
type reports struct {
	mu  sync.Mutex
	all []event.FeedbackMessage
}

func (r *reports) add(m event.FeedbackMessage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.Payload = slices.Clone(m.Payload)
	r.all = append(r.all, m)
}

func (r *reports) received() []event.FeedbackMessage {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// Feedback arrives with both versions of MQTT, retained messages are marked, and empty ones are none.
func TestFeedback(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	for name, url := range map[string]string{"MQTT 5": broker.URL(), "MQTT 3.1.1": startOld(t, broker.Addr)} {
		t.Run(name, func(t *testing.T) {
			const topic = "facesieve/gate/door/feedback"
			sender := publishtest.Record(t, broker.URL(), "x")
			sender.Send(t, topic, "old", true)
			p := mustOpen(t, testConfig(url), quick())
			got := &reports{}
			p.OnFeedback(got.add)
			publishtest.Eventually(t, "the retained message", func() bool { return len(got.received()) == 1 })
			sender.Send(t, topic, "", true) // clears the retained one
			sender.Send(t, topic, "new", false)
			publishtest.Eventually(t, "both messages", func() bool { return len(got.received()) == 2 })
			for i, want := range []event.FeedbackMessage{
				{Camera: "door", Payload: []byte("old"), Retained: true}, {Camera: "door", Payload: []byte("new")},
			} {
				if m := got.received()[i]; m.Camera != want.Camera || string(m.Payload) != string(want.Payload) ||
					m.Retained != want.Retained {
					t.Errorf("%+v, not %+v", m, want)
				}
			}
		})
	}
}
