package publish

import (
	"context"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"facesieve/publish/outbox"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(dir, os.Getenv(victimBroker))
		return
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must happen; nothing is faster or slower because of it.
const patience = 20 * time.Second

func quick() timing {
	return timing{
		retryMin: 20 * time.Millisecond, retryMax: 100 * time.Millisecond, ack: 5 * time.Second,
		states: 20 * time.Millisecond, step: 5 * time.Second, echo: time.Second,
		holdMin: 50 * time.Millisecond, holdMax: 200 * time.Millisecond,
	}
}

func testConfig(broker string) Config {
	cfg := Default()
	cfg.Broker, cfg.Device = broker, "gate"
	return cfg
}

func testLog(t *testing.T) zerolog.Logger {
	return zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.InfoLevel)
}

// recorder is a subscriber that does not use this package. It keeps every message that the broker sends.
type recorder struct {
	client mqtt.Client
	mu     sync.Mutex
	got    []mqtt.Message
}

func record(t *testing.T, broker, filter string) *recorder {
	t.Helper()
	r := &recorder{}
	r.client = mqtt.NewClient(mqtt.NewClientOptions().AddBroker(broker).SetClientID("recorder-" + uuid.NewString()[:8]).
		SetAutoReconnect(false).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.got = append(r.got, m)
		}))
	for _, step := range []func() mqtt.Token{
		r.client.Connect,
		func() mqtt.Token { return r.client.Subscribe(filter, 1, nil) },
	} {
		if token := step(); !token.WaitTimeout(patience) || token.Error() != nil {
			t.Fatalf("recorder: %v", token.Error())
		}
	}
	t.Cleanup(func() { r.client.Disconnect(100) })
	return r
}

// send publishes a message as another program would.
func (r *recorder) send(t *testing.T, topic, payload string, retained bool) {
	t.Helper()
	if token := r.client.Publish(topic, 1, retained, payload); !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatal(token.Error())
	}
}

// on returns the messages of one topic so far.
func (r *recorder) on(topic string) []mqtt.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []mqtt.Message
	for _, m := range r.got {
		if m.Topic() == topic {
			found = append(found, m)
		}
	}
	return found
}

// all returns all messages so far.
func (r *recorder) all() []mqtt.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// last is the latest payload on a topic, or "".
func (r *recorder) last(topic string) string {
	if found := r.on(topic); len(found) > 0 {
		return string(found[len(found)-1].Payload())
	}
	return ""
}

func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if happened() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// inMemory is an outbox that holds nothing back.
func inMemory() outbox.Config {
	cfg := outbox.Default()
	cfg.Store, cfg.DrainRate = outbox.Memory, 1000
	return cfg
}

// onDisk is one whose file lies in dir.
func onDisk(dir string) outbox.Config {
	cfg := inMemory()
	cfg.Store, cfg.Dir = outbox.Disk, dir
	return cfg
}

func mustOpenBox(t *testing.T, cfg outbox.Config) *outbox.Box {
	t.Helper()
	box, err := outbox.Open(cfg, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() }) // tells of what a test has left behind
	return box
}

// mustOpen opens a publisher on an outbox in memory.
func mustOpen(t *testing.T, cfg Config, tm timing) *Publisher {
	t.Helper()
	return mustOpenOn(t, mustOpenBox(t, inMemory()), cfg, tm)
}

func mustOpenOn(t *testing.T, box *outbox.Box, cfg Config, tm timing) *Publisher {
	t.Helper()
	p, err := open(cfg, box, testLog(t), tm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(t.Context()) }) // its context has ended: drops what is left
	return p
}

// shut closes a publisher and its outbox, and returns what the outbox has to say.
func shut(ctx context.Context, p *Publisher) error {
	p.Close(ctx)
	return p.box.Close()
}

func connected(p *Publisher) func() bool { return func() bool { return p.Stats().Connected } }

// embedded starts a broker on a free port and returns a configuration for it.
func embedded(t *testing.T, change func(*Config)) (Config, *Broker) {
	t.Helper()
	cfg := testConfig(Embedded)
	cfg.Listen = "127.0.0.1:0"
	if change != nil {
		change(&cfg)
	}
	b, err := StartBroker(t.Context(), cfg, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg.Listen = b.Addr()
	return b.Attach(cfg), b
}
