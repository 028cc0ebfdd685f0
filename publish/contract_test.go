package publish

import (
	"testing"

	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
)

// Every message that a real broker has received from a publisher obeys the AsyncAPI document.
func TestMessagesObeyTheAsyncAPIDocument(t *testing.T) {
	document, err := event.AsyncAPI()
	if err != nil {
		t.Fatal(err)
	}
	contract := eventtest.NewContract(t, document)
	broker := anonymous(t)
	live := record(t, broker.url(), "facesieve/#")
	cfg := testConfig(broker.url())
	cfg.JPEG, cfg.Rejected = true, true
	if _, err := Connect(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	p := mustOpen(t, cfg, quick())
	p.SetCameras([]string{"door", "gate"})
	setRunning(t, p, "door", "gate")
	eventually(t, "connected", connected(p))
	publishAll(t, p, 0, 2)
	if err := p.Reject(eventtest.Rejected()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all kinds", func() bool {
		return len(live.on("facesieve/gate/door/face/jpeg")) == 2 && len(live.on("facesieve/gate/door/rejected")) == 1 &&
			len(live.on(gateState)) > 0
	})
	late := record(t, broker.url(), "facesieve/#")
	eventually(t, "retained", func() bool { return late.last(doorState) != "" && late.last("facesieve/gate/status") != "" })
	p.SetCameras([]string{"door"})
	eventually(t, "cleared", func() bool { return live.last(gateState) == "" })
	p.Close(t.Context())
	eventually(t, "offline", func() bool { return live.last("facesieve/gate/status") == string(event.Offline) })
	for _, m := range append(live.all(), late.all()...) {
		if err := contract.Check(m.Topic(), m.Qos(), m.Retained(), m.Payload()); err != nil {
			t.Error(err)
		}
	}
	if n := len(live.on("facesieve/gate/probe")); n != 1 {
		t.Errorf("%d probes", n)
	}
	for _, topic := range []string{"facesieve/gate/door/other", "facesieve/gate/door/face", "facesieve/gate/status"} {
		if contract.Check(topic, 1, false, []byte("{}")) == nil {
			t.Errorf("{} passes on %s", topic)
		}
	}
}
