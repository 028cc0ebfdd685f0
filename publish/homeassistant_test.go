package publish

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"facesieve/publish/event"
	"facesieve/publish/hass"
	"facesieve/publish/publishtest"
)

const (
	boardTopic = "homeassistant/device/facesieve_gate/board/config"
	doorTopic  = "homeassistant/device/facesieve_gate/camera_door/config"
	rearTopic  = "homeassistant/device/facesieve_gate/camera_rear/config"
)

func homeConfig(broker string) Config {
	cfg := testConfig(broker)
	cfg.HomeAssistant = true
	return cfg
}

// discover sets the discovery of the cameras and a state of the device.
func discover(t *testing.T, p *Publisher, cameras ...string) {
	t.Helper()
	messages, err := hass.Discovery(hass.Device{Name: "gate", Version: "1", Topics: p.topics, Cameras: cameras})
	if err != nil {
		t.Fatal(err)
	}
	p.SetDiscovery(messages)
	if err := p.SetDevice(event.Device{Version: "1"}); err != nil {
		t.Fatal(err)
	}
}

// found returns the topics of discovery, and that of the device, that a broker retains.
func found(t *testing.T, broker string) []string {
	t.Helper()
	home := publishtest.Record(t, broker, "homeassistant/#")
	publishtest.Eventually(t, "the end of what is retained", func() bool {
		home.Send(t, "homeassistant/mark", "x", false)
		return len(home.On("homeassistant/mark")) > 0
	})
	topics := map[string]bool{}
	for _, m := range home.Messages() {
		if m.Retained() {
			topics[m.Topic()] = true
		}
	}
	if retained(t, broker)["facesieve/gate/device"] != "" {
		topics["device"] = true
	}
	return slices.Sorted(maps.Keys(topics))
}

func finds(t *testing.T, broker string, topics ...string) func() bool {
	return func() bool { return slices.Equal(found(t, broker), topics) }
}

// Discovery is retained, sent again when Home Assistant has started, and removed with its camera; all is removed when
// the switch is turned off.
func TestDiscovery(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	for name, url := range map[string]string{"MQTT 5": broker.URL(), "MQTT 3.1.1": startOld(t, broker.Addr)} {
		t.Run(name, func(t *testing.T) {
			home := publishtest.Record(t, broker.URL(), "homeassistant/#")
			home.Send(t, hass.StatusTopic, hass.StatusOnline, true)
			defer home.Send(t, hass.StatusTopic, "", true)
			p := mustOpen(t, homeConfig(url), quick())
			discover(t, p, "door", "rear")
			publishtest.Eventually(t, "discovery", func() bool {
				return home.Last(boardTopic) != "" && home.Last(doorTopic) != "" && home.Last(rearTopic) != ""
			})
			var order []string
			for _, m := range home.Messages() {
				order = append(order, m.Topic())
			}
			if slices.Index(order, boardTopic) > slices.Index(order, doorTopic) {
				t.Error("a camera was published before the board, to which it refers")
			}
			publishtest.Eventually(t, "subscribed to the status", func() bool {
				home.Send(t, hass.StatusTopic, hass.StatusOnline, false)
				return len(home.On(boardTopic)) > 1 && len(home.On(doorTopic)) > 1
			})
			discover(t, p, "rear")
			publishtest.Eventually(t, "door removed",
				finds(t, broker.URL(), "device", boardTopic, rearTopic, hass.StatusTopic))
			p.Withdraw()
			p.Close(t.Context())
			publishtest.Eventually(t, "all removed", finds(t, broker.URL(), hass.StatusTopic))
		})
	}
}

// A retained status is older than the connection, and does not cause another discovery; nor does another text.
func TestRenewalNeedsAFreshStatus(t *testing.T) {
	p := &Publisher{cfg: homeConfig("tcp://127.0.0.1:1"), timing: quick(), topics: event.NewTopics("facesieve/gate")}
	p.documents = newDocuments(p.topics.Device())
	discover(t, p, "door")
	for _, d := range p.documents.due() {
		p.documents.recordSent(d)
	}
	s := newSession(p)
	later := func() time.Time { return time.Now().Add(time.Hour) }
	for range 3 {
		s.receive(hass.StatusTopic, true, []byte(hass.StatusOnline))
		s.receive(hass.StatusTopic, false, []byte("offline"))
	}
	if p.documents.renewDue(later()); len(p.documents.due()) != 0 {
		t.Errorf("%d messages are due", len(p.documents.due()))
	}
	s.receive(hass.StatusTopic, false, []byte(hass.StatusOnline))
	if p.documents.renewDue(time.Now().Add(-time.Second)); len(p.documents.due()) != 0 {
		t.Error("the messages are due at once, without a delay")
	}
	if p.documents.renewDue(later()); len(p.documents.due()) != 3 {
		t.Errorf("%d messages are due", len(p.documents.due()))
	}
}

// A broker that has lost its retained messages gets them again.
func TestDiscoverySurvivesARestartOfTheBroker(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	p := mustOpen(t, homeConfig(broker.URL()), quick())
	discover(t, p, "door")
	publishtest.Eventually(t, "discovery", finds(t, broker.URL(), "device", boardTopic, doorTopic))
	broker.Kill(t)
	broker.Start(t)
	publishtest.Eventually(t, "discovery again", finds(t, broker.URL(), "device", boardTopic, doorTopic))
}

// The program was killed, and started again without a camera. Another device is not affected.
func TestDiscoveryOfAnEarlierRunIsRemoved(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	const other = "homeassistant/device/facesieve_gate2/camera_door/config"
	publishtest.Record(t, broker.URL(), "x").Send(t, other, "{}", true)
	killed := mustOpen(t, homeConfig(broker.URL()), quick())
	discover(t, killed, "door", "rear")
	publishtest.Eventually(t, "discovery", finds(t, broker.URL(), "device", boardTopic, doorTopic, rearTopic, other))
	killed.cancel()
	<-killed.done
	p := mustOpen(t, homeConfig(broker.URL()), quick())
	discover(t, p, "rear")
	publishtest.Eventually(t, "door removed", finds(t, broker.URL(), "device", boardTopic, rearTopic, other))
}

// Nothing of Home Assistant is published or subscribed where it is not configured.
func TestWithoutHomeAssistant(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	p := mustOpen(t, testConfig(broker.URL()), quick())
	discover(t, p, "door")
	p.OnCommand(func(event.Command) { t.Error("a command was received") })
	setRunning(t, p, "door")
	publishtest.Eventually(t, "state", isRetained(t, broker.URL(), doorState))
	sender := publishtest.Record(t, broker.URL(), "facesieve/#")
	sender.Send(t, "facesieve/gate/door/set/policy", "best", false)
	publishAll(t, p, 0, 1)
	publishtest.Eventually(t, "a face", func() bool { return len(sender.On("facesieve/gate/door/face")) == 1 })
	if topics := found(t, broker.URL()); len(topics) != 0 || len(sender.On("facesieve/gate/door/face/jpeg")) != 0 {
		t.Errorf("%v, %v", topics, sender.Messages())
	}
}

// A broker that forbids discovery is reported with the fix, and gets the faces all the same.
func TestForbiddenDiscovery(t *testing.T) {
	broker := startGuarded(t, "topic readwrite facesieve/#")
	p := mustOpen(t, homeConfig(broker.URL()), quick())
	discover(t, p, "door")
	publishtest.Eventually(t, "denied", denied(p, "the broker's access control forbids "+boardTopic+": allow the device "+
		"to write homeassistant/device/facesieve_gate/+/config there (mosquitto: topic write "+
		"homeassistant/device/facesieve_gate/+/config)"))
	watch := publishtest.Record(t, broker.URL(), "facesieve/#")
	publishAll(t, p, 0, 1)
	publishtest.Eventually(t, "a face", func() bool { return len(watch.On("facesieve/gate/door/face")) == 1 })
	broker.allow(t, "topic readwrite facesieve/#", "topic readwrite homeassistant/mark", // of the test, and of the guide:
		"topic readwrite homeassistant/device/facesieve_gate/+/config", "topic read homeassistant/status")
	publishtest.Eventually(t, "discovery", finds(t, broker.URL(), "device", boardTopic, doorTopic))
	publishtest.Eventually(t, "no longer denied", func() bool { return p.Stats().Denied == "" })
}

// commands collects what a publisher receives.
type commands struct {
	mu  sync.Mutex
	all []event.Command
}

func (c *commands) add(command event.Command) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, command)
}

func (c *commands) received() []event.Command {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

// Commands arrive with both versions of MQTT, retained ones are marked, and an answer is no command.
func TestCommands(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	for name, url := range map[string]string{"MQTT 5": broker.URL(), "MQTT 3.1.1": startOld(t, broker.Addr)} {
		t.Run(name, func(t *testing.T) {
			const policy, result = "facesieve/gate/door/set/policy", "facesieve/gate/door/set/result"
			sender := publishtest.Record(t, broker.URL(), result)
			sender.Send(t, policy, "all", true)
			cfg := testConfig(url)
			cfg.Control = true
			p := mustOpen(t, cfg, quick())
			got := &commands{}
			p.OnCommand(got.add)
			publishtest.Eventually(t, "the retained command", func() bool {
				return slices.Equal(got.received(),
					[]event.Command{{Topic: policy, Camera: "door", Setting: "policy", Value: "all", Retained: true}})
			})
			answer := event.Result{Camera: "door", Setting: "policy", Value: "all", Error: "retained", Time: time.Now()}
			if err := p.SetResult(answer); err != nil {
				t.Fatal(err)
			}
			publishtest.Eventually(t, "the answer", func() bool { return strings.Contains(sender.Last(result), "retained") })
			sender.Send(t, policy, "", true) // clears the retained one, and is no command
			sender.Send(t, policy, "best", false)
			sender.Send(t, "facesieve/gate/a b/set/x", "\xff", false)
			publishtest.Eventually(t, "commands", func() bool { return len(got.received()) >= 3 })
			if want := []event.Command{
				{Topic: policy, Camera: "door", Setting: "policy", Value: "best"},
				{Topic: "facesieve/gate/a b/set/x", Camera: "a b", Setting: "x", Value: "\xff"},
			}; !slices.Equal(got.received()[1:], want) {
				t.Errorf("%v", got.received())
			}
		})
	}
}

// A command that was sent while the device was not connected does not arrive later: it may be out of date.
func TestCommandsAreNotStored(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	cfg := testConfig(broker.URL())
	cfg.Control = true
	got := &commands{}
	p := mustOpen(t, cfg, quick())
	p.OnCommand(got.add)
	sender := publishtest.Record(t, broker.URL(), "x")
	send := func(value string) { sender.Send(t, "facesieve/gate/door/set/policy", value, false) }
	publishtest.Eventually(t, "subscribed", func() bool { send("all"); return len(got.received()) > 0 })
	p.Close(t.Context())
	send("late")
	p = mustOpen(t, cfg, quick())
	p.OnCommand(got.add)
	before := len(got.received())
	publishtest.Eventually(t, "subscribed", func() bool { send("best"); return len(got.received()) > before })
	for _, command := range got.received() {
		if command.Value == "late" {
			t.Error("a late command was received")
		}
	}
	p.Close(t.Context())
	answer := event.Result{Camera: "door", Setting: "policy", Accepted: true, Time: time.Now()}
	if err := p.SetResult(answer); !errors.Is(err, ErrNotConnected) {
		t.Error(err)
	}
}
