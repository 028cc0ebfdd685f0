package publish

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"facesieve/publish/broker"
	"facesieve/publish/outbox"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(dir, os.Getenv(victimBroker))
		return
	}
	goleak.VerifyTestMain(m)
}

func quick() timing {
	return timing{
		retryMin: 20 * time.Millisecond, retryMax: 100 * time.Millisecond, ack: 5 * time.Second,
		states: 20 * time.Millisecond, step: 5 * time.Second, echo: time.Second,
		holdMin: 50 * time.Millisecond, holdMax: 200 * time.Millisecond,
		renew: 50 * time.Millisecond,
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

func mustOpenQueue(t *testing.T, cfg outbox.Config) *outbox.Queue {
	t.Helper()
	queue, err := outbox.Open(cfg, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = queue.Close() }) // logs events that a test has not sent
	return queue
}

// mustOpen opens a publisher on an outbox in memory.
func mustOpen(t *testing.T, cfg Config, tm timing) *Publisher {
	t.Helper()
	return mustOpenOn(t, mustOpenQueue(t, inMemory()), cfg, tm)
}

func mustOpenOn(t *testing.T, queue *outbox.Queue, cfg Config, tm timing) *Publisher {
	t.Helper()
	p, err := open(cfg, queue, testLog(t), tm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(t.Context()) }) // its context has ended: drops what is left
	return p
}

// shut closes a publisher and its outbox, and returns the error of the outbox.
func shut(ctx context.Context, p *Publisher) error {
	p.Close(ctx)
	return p.outbox.Close()
}

func connected(p *Publisher) func() bool { return func() bool { return p.Stats().Connected } }

// embedded starts a broker on a free port and returns a configuration for it.
func embedded(t *testing.T, change func(*Config)) (Config, *broker.Broker) {
	t.Helper()
	return embeddedWith(t, testLog(t), change)
}

func embeddedWith(t *testing.T, log zerolog.Logger, change func(*Config)) (Config, *broker.Broker) {
	t.Helper()
	cfg := testConfig(Embedded)
	cfg.Listen = "127.0.0.1:0"
	if change != nil {
		change(&cfg)
	}
	b, err := startBroker(t, cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg.Listen, cfg.Dialer = b.Addr(), b
	return cfg, b
}

// startBroker starts the embedded broker as the daemon does.
func startBroker(t *testing.T, cfg Config, log zerolog.Logger) (*broker.Broker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	secure, err := cfg.ListenTLS.Server(log)
	if err != nil {
		return nil, err
	}
	return broker.Start(t.Context(), broker.Config{
		Listen: cfg.Listen, TLS: secure, User: cfg.User, Password: string(cfg.Password),
		ClientID: cfg.ClientName(), Root: cfg.Topics().Root(),
	}, log)
}
