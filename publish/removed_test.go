package publish

import (
	"testing"
	"time"

	"facesieve/publish/event"
)

// retained returns the messages that the broker retains below the root.
func retained(t *testing.T, broker string) map[string]string {
	t.Helper()
	r := record(t, broker, "facesieve/#")
	eventually(t, "the end of what is retained", func() bool {
		_ = r.client.Publish("facesieve/mark", 1, false, "x").WaitTimeout(patience)
		return len(r.on("facesieve/mark")) > 0
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	found := map[string]string{}
	for _, m := range r.got {
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
	broker := anonymous(t)
	w := startWatch(t, testConfig(broker.url()))
	p := mustOpen(t, testConfig(broker.url()), quick())
	p.SetCameras([]string{"door", "gate"})
	setRunning(t, p, "door", "gate")
	eventually(t, "door's state", isRetained(t, broker.url(), doorState))
	p.SetCameras([]string{"gate"})
	eventually(t, "door cleared", notRetained(t, broker.url(), doorState))
	eventually(t, "gate kept", isRetained(t, broker.url(), gateState))
	eventually(t, "subscriber is informed", func() bool { return w.count("removed door") == 1 })
	p.SetCameras([]string{"gate", "door"})
	setRunning(t, p, "door")
	eventually(t, "door's state again", isRetained(t, broker.url(), doorState))
}

// The daemon was killed, and started again without a camera.
func TestStateOfAnEarlierRunIsCleared(t *testing.T) {
	broker := anonymous(t)
	for name, url := range map[string]string{"MQTT 5": broker.url(), "MQTT 3.1.1": startOld(t, broker.addr)} {
		t.Run(name, func(t *testing.T) {
			killed := mustOpen(t, testConfig(url), quick())
			setRunning(t, killed, "door", "gate")
			eventually(t, "states", isRetained(t, broker.url(), doorState))
			eventually(t, "states", isRetained(t, broker.url(), gateState))
			killed.cancel()
			<-killed.done
			eventually(t, "door's state", isRetained(t, broker.url(), doorState))

			p := mustOpen(t, testConfig(url), quick())
			p.SetCameras([]string{"gate"})
			eventually(t, "door cleared", notRetained(t, broker.url(), doorState))
			if retained(t, broker.url())[gateState] == "" {
				t.Error("the state of a configured camera is gone")
			}
			p.Close(t.Context())
		})
	}
}

// Without a list of cameras nothing is cleared, and nothing of another root ever.
func TestStatesOfOthersStay(t *testing.T) {
	broker := anonymous(t)
	other := testConfig(broker.url())
	other.Device = "other"
	o := mustOpen(t, other, quick())
	setRunning(t, o, "door")
	eventually(t, "state", isRetained(t, broker.url(), "facesieve/other/door/state"))
	p := mustOpen(t, testConfig(broker.url()), quick())
	p.SetCameras([]string{"gate"})
	setRunning(t, p, "gate")
	eventually(t, "state", isRetained(t, broker.url(), gateState))
	if retained(t, broker.url())["facesieve/other/door/state"] == "" {
		t.Error("the state of another device is gone")
	}
}

func TestLeaveClearsTheRoot(t *testing.T) {
	broker := anonymous(t)
	w := startWatch(t, testConfig(broker.url()))
	p := mustOpen(t, testConfig(broker.url()), quick())
	p.SetCameras([]string{"door"})
	setRunning(t, p, "door")
	eventually(t, "state", isRetained(t, broker.url(), doorState))
	p.Leave(t.Context())
	if left := retained(t, broker.url()); len(left) != 0 {
		t.Errorf("%v", left)
	}
	eventually(t, "subscriber is informed", func() bool {
		return w.count("offline") == 1 && w.count("removed ") == 1 && w.count("removed door") == 1
	})
}
