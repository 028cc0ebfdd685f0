package publish

import (
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/google/uuid"

	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
	"facesieve/publish/outbox"
	"facesieve/publish/publishtest"
)

// ledger compares the accepted events with those that arrive.
type ledger struct {
	fault    string
	accepted []string // ids
	began    time.Time
}

// publish publishes events of two cameras, which must be accepted.
func (l *ledger) publish(t *testing.T, p *Publisher, n int) {
	t.Helper()
	for i := range n {
		e := eventtest.Face([]string{"door", "gate"}[i%2], uint64(len(l.accepted)))
		e.ID = uuid.Must(uuid.NewV7()).String()
		if err := p.Publish(e); err != nil && !errors.Is(err, outbox.ErrHeld) { // a slow disk loses nothing
			t.Fatal(err)
		}
		l.accepted = append(l.accepted, e.ID)
	}
}

// fixed records when the fault was over.
func (l *ledger) fixed() { l.began = time.Now() }

// settle waits until all events have arrived, checks that none is lost and that duplicates are marked as replayed, and
// logs a line of the table.
func (l *ledger) settle(t *testing.T, queue *outbox.Queue, watch *publishtest.Recorder, runs int) {
	t.Helper()
	publishtest.Eventually(t, "delivered", func() bool { s := queue.Stats(); return s.Queued+s.Held == 0 })
	took := time.Since(l.began).Round(time.Millisecond)
	want := map[string]bool{}
	for _, id := range l.accepted {
		want[id] = true
	}
	got, doubled := map[string]int{}, 0
	publishtest.Eventually(t, "every accepted event arrived", func() bool {
		got = idsOf(t, watch)
		for id := range want {
			if got[id] == 0 {
				return false
			}
		}
		return true
	})
	for id := range want {
		doubled += got[id] - 1
	}
	if s := queue.Stats(); s.Restored+s.Accepted != s.Delivered || s.Dropped.Total()+s.Refused.Total() != 0 {
		t.Errorf("%+v", s)
	}
	t.Logf("| fault | runs | accepted | delivered | lost | doubled | recovered in |")
	t.Logf("| %s | %d | %d | %d | %d | %d | %v |", l.fault, runs, len(l.accepted), len(want), 0, doubled, took)
}

// idsOf counts the deliveries of each event, and checks that an event has one id, and that its second delivery is
// marked as replayed.
func idsOf(t *testing.T, watch *publishtest.Recorder) map[string]int {
	t.Helper()
	seen, tracks := map[string]int{}, map[uint64]string{}
	for _, camera := range []string{"door", "gate"} {
		for _, m := range watch.On("facesieve/gate/" + camera + "/face") {
			e, err := event.DecodeFace(m.Payload())
			if err != nil {
				t.Fatal(err)
			}
			if id := tracks[e.Track]; id != "" && (id != e.ID || !e.Replayed) {
				t.Fatalf("track %d: sent again as %s, replayed %v, was %s", e.Track, e.ID, e.Replayed, id)
			}
			tracks[e.Track] = e.ID
			seen[e.ID]++
		}
	}
	return seen
}

// recordAs is a recorder that connects as cfg says. With a lasting session it reconnects when the broker does, and the
// broker keeps what it has missed.
func recordAs(t *testing.T, cfg Config, lasting bool) *publishtest.Recorder {
	t.Helper()
	target, err := cfg.target()
	if err != nil {
		t.Fatal(err)
	}
	options := mqtt.NewClientOptions().AddBroker(target.String()).
		SetUsername(cfg.User).SetPassword(string(cfg.Password)).
		SetCleanSession(!lasting).SetAutoReconnect(lasting).SetMaxReconnectInterval(50 * time.Millisecond)
	if cfg.TLS.CA != "" {
		config, err := cfg.TLS.load()
		if err != nil {
			t.Fatal(err)
		}
		options.SetTLSConfig(config)
	}
	return publishtest.RecordWith(t, options, "facesieve/#")
}

// startUnbounded starts a broker that queues any number of messages for a subscriber that is slow on a busy machine.
func startUnbounded(t *testing.T, lines ...string) *publishtest.Mosquitto {
	t.Helper()
	return publishtest.StartMosquitto(t, t.TempDir(), append([]string{"max_queued_messages 0"}, lines...)...)
}

func TestFaultBrokerAway(t *testing.T) {
	t.Parallel()
	broker := startUnbounded(t, "allow_anonymous true")
	broker.Kill(t)
	queue := mustOpenQueue(t, onDisk(t.TempDir()))
	link := startProxy(t, broker.Addr)
	p := mustOpenOn(t, queue, testConfig(link.url()), quick())
	l := ledger{fault: "broker away"}
	l.publish(t, p, 100)
	broker.Start(t)
	link.cut(true)
	watch := publishtest.Record(t, broker.URL(), "facesieve/#")
	link.cut(false)
	l.fixed()
	l.settle(t, queue, watch, 1)
}

func TestFaultNoAcknowledgements(t *testing.T) {
	t.Parallel()
	broker := startUnbounded(t, "allow_anonymous true")
	watch := publishtest.Record(t, broker.URL(), "facesieve/#")
	link := startProxy(t, broker.Addr)
	tm := quick()
	tm.ack = 100 * time.Millisecond
	queue := mustOpenQueue(t, onDisk(t.TempDir()))
	p := mustOpenOn(t, queue, testConfig(link.url()), tm)
	l := ledger{fault: "broker accepts and never acknowledges"}
	const runs = 5
	for range runs {
		publishtest.Eventually(t, "connected", connected(p))
		link.silence(true)
		before := p.Stats().Connections
		l.publish(t, p, 20)
		publishtest.Eventually(t, "disconnected",
			func() bool { s := p.Stats(); return !s.Connected || s.Connections > before })
		link.silence(false)
		link.cut(false) // a connection that is being made gets no answer
	}
	l.fixed()
	l.settle(t, queue, watch, runs)
}

// The broker is stopped and started while events are published, and stores messages for the recorder.
func TestFaultBrokerRestarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broker := publishtest.StartMosquitto(t, dir, "allow_anonymous true", "max_queued_messages 0", "persistence true",
		"persistence_location "+dir+"/")
	watch := recordAs(t, testConfig(broker.URL()), true)
	queue := mustOpenQueue(t, onDisk(t.TempDir()))
	p := mustOpenOn(t, queue, testConfig(broker.URL()), quick())
	l := ledger{fault: "broker restarted in the middle"}
	const runs = 5
	for range runs {
		publishtest.Eventually(t, "connected", connected(p))
		published := make(chan struct{})
		go func() {
			defer close(published)
			for range 40 {
				l.publish(t, p, 1)
				time.Sleep(time.Millisecond)
			}
		}()
		publishtest.Eventually(t, "some are queued",
			func() bool { return queue.Stats().Queued > 0 || queue.Stats().Delivered > 0 })
		broker.Stop(t)
		broker.Start(t)
		l.fixed()
		<-published
	}
	l.settle(t, queue, watch, runs)
}

func TestFaultWrongPassword(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broker := publishtest.StartMosquitto(t, dir, publishtest.Passwords(t, dir, "camera", "hunter2")...)
	cfg := testConfig(broker.URL())
	cfg.User, cfg.Password = "camera", "hunter3"
	queue := mustOpenQueue(t, onDisk(t.TempDir()))
	p := mustOpenOn(t, queue, cfg, quick())
	l := ledger{fault: "wrong password"}
	l.publish(t, p, 100)
	publishtest.Eventually(t, "refused",
		func() bool { return strings.Contains(p.Stats().LastError, "rejected user or password") })
	p.Close(t.Context())
	cfg.Password = "hunter2"
	watch := recordAs(t, cfg, false)
	l.fixed()
	mustOpenOn(t, queue, cfg, quick())
	l.settle(t, queue, watch, 1)
}

func TestFaultExpiredCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := publishtest.NewAuthority(t, dir, "ca")
	ca.Expired = true
	cert, key := ca.Issue(t, "broker", x509.ExtKeyUsageServerAuth, "127.0.0.1")
	broker := publishtest.StartMosquitto(t, dir, "allow_anonymous true", "certfile "+cert, "keyfile "+key)
	cfg := testConfig("ssl://" + broker.Addr)
	cfg.TLS.CA = ca.File
	queue := mustOpenQueue(t, onDisk(t.TempDir()))
	p := mustOpenOn(t, queue, cfg, quick())
	l := ledger{fault: "expired certificate"}
	l.publish(t, p, 100)
	publishtest.Eventually(t, "refused",
		func() bool { return strings.Contains(p.Stats().LastError, "certificate has expired") })
	broker.Kill(t)
	ca.Expired = false
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	ca.Issue(t, "broker", x509.ExtKeyUsageServerAuth, "127.0.0.1")
	p.Close(t.Context())
	broker.Start(t)
	watch := recordAs(t, cfg, false)
	l.fixed()
	mustOpenOn(t, queue, cfg, quick())
	l.settle(t, queue, watch, 1)
}
