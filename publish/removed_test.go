package publish

import (
	"testing"
	"time"

	"facesieve/publish/event"
	"facesieve/publish/publishtest"
)

// retained returns the messages that the broker retains below the root.
func retained(t *testing.T, broker string) map[string]string {
	t.Helper()
	r := publishtest.Record(t, broker, "facesieve/#")
	publishtest.Eventually(t, "the end of what is retained", func() bool {
		_ = r.Client.Publish("facesieve/mark", 1, false, "x").WaitTimeout(publishtest.Patience)
		return len(r.On("facesieve/mark")) > 0
	})
	found := map[string]string{}
	for _, m := range r.Messages() {
		if m.Retained() {
			found[m.Topic()] = string(m.Payload())
		}
	}
	return found
}

func setRunning(t *testing.T, p *Publisher, cameras ...string) {
	t.Helper()
	for _, camera := range cameras {
		if err := p.SetState(camera, event.State{State: event.Running, Since: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
}

func isRetained(t *testing.T, broker, topic string) func() bool {
	return func() bool { return retained(t, broker)[topic] != "" }
}

func notRetained(t *testing.T, broker, topic string) func() bool {
	return func() bool { return retained(t, broker)[topic] == "" }
}

const doorState, gateState = "facesieve/gate/door/state", "facesieve/gate/gate/state"

func TestStateOfARemovedCameraIsCleared(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	w := startWatch(t, testConfig(broker.URL()))
	p := mustOpen(t, testConfig(broker.URL()), quick())
	p.SetCameras([]string{"door", "gate"})
	setRunning(t, p, "door", "gate")
	publishtest.Eventually(t, "door's state", isRetained(t, broker.URL(), doorState))
	p.SetCameras([]string{"gate"})
	publishtest.Eventually(t, "door cleared", notRetained(t, broker.URL(), doorState))
	publishtest.Eventually(t, "gate kept", isRetained(t, broker.URL(), gateState))
	publishtest.Eventually(t, "subscriber is informed", func() bool { return w.count("removed door") == 1 })
	p.SetCameras([]string{"gate", "door"})
	setRunning(t, p, "door")
	publishtest.Eventually(t, "door's state again", isRetained(t, broker.URL(), doorState))
}

// The daemon was killed, and started again without a camera.
func TestStateOfAnEarlierRunIsCleared(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	for name, url := range map[string]string{"MQTT 5": broker.URL(), "MQTT 3.1.1": startOld(t, broker.Addr)} {
		t.Run(name, func(t *testing.T) {
			killed := mustOpen(t, testConfig(url), quick())
			setRunning(t, killed, "door", "gate")
			publishtest.Eventually(t, "states", isRetained(t, broker.URL(), doorState))
			publishtest.Eventually(t, "states", isRetained(t, broker.URL(), gateState))
			killed.cancel()
			<-killed.done
			publishtest.Eventually(t, "door's state", isRetained(t, broker.URL(), doorState))

			p := mustOpen(t, testConfig(url), quick())
			p.SetCameras([]string{"gate"})
			publishtest.Eventually(t, "door cleared", notRetained(t, broker.URL(), doorState))
			if retained(t, broker.URL())[gateState] == "" {
				t.Error("the state of a configured camera is gone")
			}
			p.Close(t.Context())
		})
	}
}

// Without a list of cameras nothing is cleared, and nothing of another root ever.
func TestStatesOfOthersStay(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	other := testConfig(broker.URL())
	other.Device = "other"
	o := mustOpen(t, other, quick())
	setRunning(t, o, "door")
	publishtest.Eventually(t, "state", isRetained(t, broker.URL(), "facesieve/other/door/state"))
	p := mustOpen(t, testConfig(broker.URL()), quick())
	p.SetCameras([]string{"gate"})
	setRunning(t, p, "gate")
	publishtest.Eventually(t, "state", isRetained(t, broker.URL(), gateState))
	if retained(t, broker.URL())["facesieve/other/door/state"] == "" {
		t.Error("the state of another device is gone")
	}
}

func TestLeaveClearsTheRoot(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	w := startWatch(t, testConfig(broker.URL()))
	p := mustOpen(t, testConfig(broker.URL()), quick())
	p.SetCameras([]string{"door"})
	setRunning(t, p, "door")
	publishtest.Eventually(t, "state", isRetained(t, broker.URL(), doorState))
	p.Leave(t.Context())
	if left := retained(t, broker.URL()); len(left) != 0 {
		t.Errorf("%v", left)
	}
	publishtest.Eventually(t, "subscriber is informed", func() bool {
		return w.count("offline") == 1 && w.count("removed ") == 1 && w.count("removed door") == 1
	})
}
