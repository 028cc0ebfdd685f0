package publish

import (
	"errors"
	"testing"
	"time"

	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
	"facesieve/publish/publishtest"
)

// Every message that a real broker has received from a publisher obeys the AsyncAPI document.
func TestMessagesObeyTheAsyncAPIDocument(t *testing.T) {
	document, err := event.AsyncAPI()
	if err != nil {
		t.Fatal(err)
	}
	contract := eventtest.NewContract(t, document)
	const status = "facesieve/gate/status"
	broker := publishtest.StartAnonymous(t)
	live := publishtest.Record(t, broker.URL(), "facesieve/#")
	cfg := testConfig(broker.URL())
	cfg.HomeAssistant, cfg.Control, cfg.Rejected = true, true, true // the first turns JPEG on
	if _, err := Connect(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	p := mustOpen(t, cfg, quick())
	p.SetCameras([]string{"door", "gate"})
	got := &commands{}
	p.OnCommand(got.add)
	if err := p.SetDevice(event.Device{Version: "1.4.0"}); err != nil {
		t.Fatal(err)
	}
	setRunning(t, p, "door", "gate")
	publishtest.Eventually(t, "connected", connected(p))
	publishAll(t, p, 0, 2)
	if err := p.Reject(eventtest.Rejected()); err != nil {
		t.Fatal(err)
	}
	publishtest.Eventually(t, "all kinds", func() bool {
		return len(live.On("facesieve/gate/door/face/jpeg")) == 2 && len(live.On("facesieve/gate/door/rejected")) == 1 &&
			len(live.On(gateState)) > 0
	})
	const command, result = "facesieve/gate/door/set/threshold", "facesieve/gate/door/set/result"
	publishtest.Eventually(t, "a command", func() bool {
		live.Send(t, command, "35", false)
		return len(got.received()) > 0
	})
	answer := event.Result{Camera: "door", Setting: "threshold", Value: "35", Accepted: true, Time: time.Now()}
	if err := p.SetResult(answer); err != nil {
		t.Fatal(err)
	}
	publishtest.Eventually(t, "the answer", func() bool { return live.Last(result) != "" })
	sendFeedback(t, live, p)
	late := publishtest.Record(t, broker.URL(), "facesieve/#")
	publishtest.Eventually(t, "retained", func() bool { return late.Last(doorState) != "" && late.Last(status) != "" })
	p.SetCameras([]string{"door"})
	publishtest.Eventually(t, "cleared", func() bool { return live.Last(gateState) == "" })
	p.Close(t.Context())
	publishtest.Eventually(t, "offline", func() bool { return live.Last(status) == string(event.Offline) })
	for _, m := range append(live.Messages(), late.Messages()...) {
		if err := contract.Check(m.Topic(), m.Qos(), m.Retained(), m.Payload()); err != nil {
			t.Error(err)
		}
	}
	if n := len(live.On("facesieve/gate/probe")); n != 1 {
		t.Errorf("%d probes", n)
	}
	for _, topic := range []string{"facesieve/gate/door/other", "facesieve/gate/door/face", status} {
		if contract.Check(topic, 1, false, []byte("{}")) == nil {
			t.Errorf("{} passes on %s", topic)
		}
	}
}

// sendFeedback sends what a recogniser reports until it arrives.
func sendFeedback(t *testing.T, live *publishtest.Recorder, p *Publisher) {
	t.Helper()
	id, err1 := event.NewID()
	payload, err2 := event.EncodeFeedback(event.Feedback{
		Schema: event.Version, ID: id, Outcome: event.OutcomeUnusable, Recogniser: "test 1",
	})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	got := &reports{}
	p.OnFeedback(got.add)
	publishtest.Eventually(t, "feedback", func() bool {
		live.Send(t, "facesieve/gate/door/feedback", string(payload), false)
		return len(got.received()) > 0
	})
}
