package publish

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
	"facesieve/publish/publishtest"
)

// watch is a downstream program: it counts what Subscribe hands over.
type watch struct {
	mu     sync.Mutex
	counts map[string]int
	ends   chan error
	cancel context.CancelFunc
}

func startWatch(t *testing.T, cfg Config) *watch {
	t.Helper()
	w := &watch{counts: map[string]int{}, ends: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	go func() { w.ends <- Subscribe(ctx, cfg, w.handler(t), testLog(t)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-w.ends; err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *watch) handler(t *testing.T) Handler {
	return Handler{
		Face:     func(e event.Face) { w.note("event") },
		JPEG:     func(camera string, _ []byte) { w.note("jpeg of " + camera) },
		Rejected: func(r event.Rejected) { w.note(r.Reasons[0].Reason) },
		State:    func(s event.State) { w.note(s.Camera + " " + s.State) },
		Status: func(root string, status event.Status) {
			w.note(root)
			w.note(string(status))
		},
		Removed: func(_, camera string) { w.note("removed " + camera) },
		Invalid: func(topic string, err error) {
			w.note("invalid on " + topic)
			t.Log(topic, err)
		},
	}
}

func (w *watch) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[what]++
}

func (w *watch) count(what string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[what]
}

func TestSubscribeSeesAllKindsFromManyDevices(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	cfg := testConfig(broker.URL())
	cfg.JPEG, cfg.Rejected = true, true
	many := cfg
	many.Root = "facesieve/+"
	w := startWatch(t, many)
	for _, device := range []string{"gate", "Hof"} {
		cfg.Device = device
		p := mustOpen(t, cfg, quick())
		publishtest.Eventually(t, "online", func() bool { return w.count("facesieve/"+device) == 1 })
		publishAll(t, p, 0, 2)
		for _, err := range []error{
			p.Reject(eventtest.Rejected()),
			p.SetState("door", event.State{State: event.Reconnecting, Since: time.Now()}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for what, n := range map[string]int{
		"event": 4, "jpeg of door": 4, "too_small": 2, "door reconnecting": 2, "online": 2,
	} {
		publishtest.Eventually(t, what, func() bool { return w.count(what) == n })
	}
}

// golden is a face as subscribers receive it.
func golden(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("event/testdata/face.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// version2 is a message as the last program of schema version 2 published it.
func version2(t *testing.T, kind string) string {
	t.Helper()
	data, err := os.ReadFile("event/testdata/version2/" + kind + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

func TestSubscribeReportsInvalidMessages(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	w := startWatch(t, testConfig(broker.URL()))
	foreign := publishtest.Record(t, broker.URL(), "facesieve/gate/status")
	send := func(topic, payload string, retained bool) { foreign.Send(t, topic, payload, retained) }
	send("facesieve/gate/status", "maybe", true) // retained: it arrives once the watch has subscribed
	publishtest.Eventually(t, "status", func() bool { return w.count("invalid on facesieve/gate/status") > 0 })
	send("facesieve/gate/door/face", "{}", false)
	send("facesieve/gate/door/state", "[]", false)
	send("facesieve/gate/door/other", "{}", false)
	send("facesieve/gate/door/face", golden(t), false)
	publishtest.Eventually(t, "good event after bad ones", func() bool { return w.count("event") == 1 })
	if w.count("invalid on facesieve/gate/door/face") != 1 || w.count("invalid on facesieve/gate/door/state") != 1 {
		t.Errorf("%v", w.counts)
	}
}

// Subscribe delivers messages of a later program of the same schema version, and of devices with version 2. It reports
// those of other versions.
func TestSubscribeDeliversMessagesFromTheFuture(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	w := startWatch(t, testConfig(broker.URL()))
	later := publishtest.Record(t, broker.URL(), "facesieve/gate/+/face")
	rejected := eventtest.Rejected()
	rejected.Schema, rejected.Device = event.Version, "gate"
	state := event.State{Schema: event.Version, Device: "gate", Camera: "door", State: event.Running, Since: time.Now()}
	rejectedJSON, err1 := event.EncodeRejected(rejected)
	stateJSON, err2 := event.EncodeState(state)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	later.Send(t, "facesieve/gate/status", "online", true) // retained: it arrives once the watch has subscribed
	publishtest.Eventually(t, "status", func() bool { return w.count("online") > 0 })
	for topic, message := range map[string][]byte{
		"face": []byte(golden(t)), "rejected": rejectedJSON, "state": stateJSON,
	} {
		later.Send(t, "facesieve/gate/old/"+topic, version2(t, topic), false)
		future := string(eventtest.FromTheFuture(t, message))
		later.Send(t, "facesieve/gate/door/"+topic, future, false)
		later.Send(t, "facesieve/gate/next/"+topic, strings.Replace(future, `"schema":3`, `"schema":4`, 1), false)
	}
	publishtest.Eventually(t, "face and report of version 2, and a later program's", func() bool {
		return w.count("event") == 2 && w.count("too_small") == 2
	})
	for _, what := range []string{
		"door running", "door reconnecting", "invalid on facesieve/gate/next/face",
		"invalid on facesieve/gate/next/rejected", "invalid on facesieve/gate/next/state",
	} {
		publishtest.Eventually(t, what, func() bool { return w.count(what) == 1 })
	}
}

func TestSubscribeComesBack(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	link := startProxy(t, broker.Addr)
	w := startWatch(t, testConfig(link.url()))
	p := mustOpen(t, testConfig(broker.URL()), quick())
	publishtest.Eventually(t, "online", func() bool { return w.count("online") == 1 })
	link.cut(false)
	publishtest.Eventually(t, "online again, as retained", func() bool { return w.count("online") == 2 })
	publishAll(t, p, 0, 1)
	publishtest.Eventually(t, "event", func() bool { return w.count("event") == 1 })
}

func TestSubscribeCallsNothingAfterItsEnd(t *testing.T) {
	cfg, _ := embedded(t, nil)
	p := mustOpen(t, cfg, quick())
	ctx, cancel := context.WithCancel(t.Context())
	ended := false // no lock: the race detector would see a call that comes later
	calls := 0
	err := Subscribe(ctx, cfg, Handler{
		Status: func(string, event.Status) { publishAll(t, p, 0, 50) },
		Face: func(event.Face) {
			if calls++; calls == 3 {
				cancel()
			}
			if ended {
				t.Error("called after the end")
			}
		},
	}, testLog(t))
	ended = true
	if err != nil || calls < 3 {
		t.Error(err, calls)
	}
}

func TestSubscribeFaults(t *testing.T) {
	cfg := testConfig("tcp://u:hunter2@b")
	cfg.Root = "a/#"
	err := Subscribe(t.Context(), cfg, Handler{}, testLog(t))
	for _, want := range []string{"broker: ", "root: "} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Error(err)
		}
	}
}

// sealed accepts every client and allows nothing.
type sealed struct{ mochi.HookBase }

func (*sealed) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}

func (*sealed) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

func (*sealed) OnACLCheck(*mochi.Client, string, bool) bool { return false }

func TestSubscribeNotAllowed(t *testing.T) {
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	listener := listeners.NewTCP(listeners.Config{ID: "mqtt", Address: "127.0.0.1:0"})
	err := errors.Join(server.AddHook(&sealed{}, nil), server.AddListener(listener), server.Serve())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	cfg := testConfig("tcp://" + listener.Address())
	err = Subscribe(t.Context(), cfg, Handler{Face: func(event.Face) {}}, testLog(t))
	want := "subscribe to facesieve/gate/+/face: refused: the broker does not allow it: allow this user to read there"
	if !errors.Is(err, ErrRefused) || err.Error() != want {
		t.Error(err)
	}
}
