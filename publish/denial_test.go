package publish

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
	"facesieve/publish/publishtest"
)

// guarded is a mosquitto with an access control that allow changes.
type guarded struct {
	*publishtest.Mosquitto
	file string
}

// startGuarded starts a mosquitto for everybody; only what the lines allow may be read and written.
func startGuarded(t *testing.T, lines ...string) *guarded {
	t.Helper()
	dir := t.TempDir()
	g := &guarded{file: filepath.Join(dir, "acl")}
	g.write(t, lines)
	g.Mosquitto = publishtest.StartMosquitto(t, dir, "allow_anonymous true", "acl_file "+g.file)
	return g
}

func (g *guarded) write(t *testing.T, lines []string) {
	t.Helper()
	if err := os.WriteFile(g.file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// allow replaces the access control of the running broker.
func (g *guarded) allow(t *testing.T, lines ...string) {
	t.Helper()
	g.write(t, lines)
	g.Reload(t)
}

func denied(p *Publisher, text string) func() bool {
	return func() bool { return strings.Contains(p.Stats().Denied, text) }
}

// A broker acknowledges an event whose topic it forbids, and discards it: the event waits until the topic is allowed.
func TestForbiddenFaceTopicLosesNothing(t *testing.T) {
	t.Parallel()
	broker := startGuarded(t, "topic write facesieve/gate/status", "topic write facesieve/gate/+/state",
		"topic read facesieve/#")
	watch := publishtest.Record(t, broker.URL(), "facesieve/#") // before an event is allowed: it gets every one
	p := mustOpenOn(t, mustOpenQueue(t, onDisk(t.TempDir())), testConfig(broker.URL()), quick())
	publishtest.Eventually(t, "connected", connected(p))
	publishAll(t, p, 0, 20)
	publishtest.Eventually(t, "denied", denied(p, "the broker's access control forbids facesieve/gate/door/face: "+
		"allow the device to write below facesieve/gate there (mosquitto: topic write facesieve/gate/#)"))
	time.Sleep(2 * quick().holdMax)
	if s := p.Stats(); s.Queued != 20 || s.Delivered != 0 || !s.Connected || s.Connections != 1 {
		t.Fatalf("%+v", s)
	}

	broker.allow(t, "topic readwrite facesieve/#")
	publishtest.Eventually(t, "arrived",
		func() bool { return len(tracks(faces(t, watch, "facesieve/gate/door/face"))) == 20 })
	publishtest.Eventually(t, "no longer denied",
		func() bool { s := p.Stats(); return s.Denied == "" && s.Queued == 0 })
	for _, e := range faces(t, watch, "facesieve/gate/door/face") {
		if !e.Replayed {
			t.Errorf("track %d was sent before, and is not marked as replayed", e.Track)
		}
	}
}

// An access control that forbids one camera delays neither another camera nor Close.
func TestForbiddenCameraDelaysNoOther(t *testing.T) {
	t.Parallel()
	broker := startGuarded(t, "topic readwrite facesieve/gate/garage/#", "topic readwrite facesieve/gate/status")
	watch := publishtest.Record(t, broker.URL(), "facesieve/#")
	queue := mustOpenQueue(t, onDisk(t.TempDir()))
	p := mustOpenOn(t, queue, testConfig(broker.URL()), quick())
	publishAll(t, p, 0, 30)
	publishtest.Eventually(t, "denied", denied(p, "forbids facesieve/gate/door/face"))
	for i := range uint64(30) {
		if err := p.Publish(eventtest.Face("garage", i)); err != nil {
			t.Fatal(err)
		}
	}
	publishtest.Eventually(t, "arrived", func() bool { return len(watch.On("facesieve/gate/garage/face")) >= 30 })
	began := time.Now()
	p.Close(t.Context())
	if took := time.Since(began); took > publishtest.Patience/2 {
		t.Errorf("Close took %v", took)
	}
	if s := queue.Stats(); s.Queued != 30 || s.Delivered != 30 {
		t.Errorf("%+v", s)
	}
}

// The status is refused at once, before there is any event.
func TestForbiddenStatusIsReportedAtConnect(t *testing.T) {
	broker := startGuarded(t, "topic readwrite somewhere/else")
	p := mustOpen(t, testConfig(broker.URL()), quick())
	publishtest.Eventually(t, "denied", denied(p, "the broker's access control forbids facesieve/gate/status"))
	broker.allow(t, "topic readwrite facesieve/gate/#")
	watch := publishtest.Record(t, broker.URL(), "facesieve/#")
	publishtest.Eventually(t, "status sent again",
		func() bool { return watch.Last("facesieve/gate/status") == string(event.Online) })
	publishtest.Eventually(t, "no longer denied", func() bool { return p.Stats().Denied == "" })
}

// If the face topic is allowed and that of the plain image is not, the face counts as delivered.
func TestForbiddenPictureTopic(t *testing.T) {
	broker := startGuarded(t, "topic readwrite facesieve/gate/+/face", "topic readwrite facesieve/gate/status")
	watch := publishtest.Record(t, broker.URL(), "facesieve/#")
	cfg := testConfig(broker.URL())
	cfg.JPEG = true
	p := mustOpen(t, cfg, quick())
	publishAll(t, p, 0, 1)
	publishtest.Eventually(t, "denied", denied(p, "forbids facesieve/gate/door/face/jpeg"))
	publishtest.Eventually(t, "delivered", func() bool { return p.Stats().Delivered == 1 })
	publishtest.Eventually(t, "arrived", func() bool { return len(watch.On("facesieve/gate/door/face")) == 1 })
}

// startOld starts a proxy that lets a broker appear as one without MQTT 5.
func startOld(t *testing.T, target string) string {
	t.Helper()
	return "tcp://" + serveConns(t, func(conn net.Conn) {
		const version = 8 // offset of the version in a CONNECT of fewer than 128 bytes
		head := make([]byte, version+1)
		if _, err := io.ReadFull(conn, head); err != nil || head[version] == 5 {
			_, _ = conn.Write([]byte{0x20, 2, 0, 1}) // refuses MQTT 5
			return
		}
		server, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		defer server.Close()
		_, _ = server.Write(head)
		go func() { _, _ = io.Copy(server, conn); _ = server.Close() }()
		_, _ = io.Copy(conn, server)
	})
}

func TestOldBrokerIsServed(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	cfg := testConfig(startOld(t, broker.Addr))
	roundTrip(t, cfg)
}

// An old broker's acknowledgement has no reason: the status that does not return reveals that it discards.
func TestOldBrokerThatDiscards(t *testing.T) {
	t.Parallel()
	broker := startGuarded(t, "topic read facesieve/#")
	watch := publishtest.Record(t, broker.URL(), "facesieve/#") // before an event is allowed: it gets every one
	p := mustOpen(t, testConfig(startOld(t, broker.Addr)), quick())
	publishAll(t, p, 0, 10)
	publishtest.Eventually(t, "denied", denied(p, "the broker acknowledges messages and discards them"))
	if s := p.Stats(); s.Queued != 10 || s.Delivered != 0 {
		t.Fatalf("%+v", s)
	}
	broker.allow(t, "topic readwrite facesieve/#")
	publishtest.Eventually(t, "arrived",
		func() bool { return len(tracks(faces(t, watch, "facesieve/gate/door/face"))) == 10 })
	publishtest.Eventually(t, "no longer denied", func() bool { return p.Stats().Denied == "" })
}

// Messages above the limit of the broker wait, and the error contains both sizes.
func TestEventTooLargeForTheBroker(t *testing.T) {
	broker := publishtest.StartMosquitto(t, t.TempDir(), "allow_anonymous true", "max_packet_size 2000")
	p := mustOpen(t, testConfig(broker.URL()), quick())
	publishAll(t, p, 0, 1)
	publishtest.Eventually(t, "denied", denied(p, "is too large for the broker: raise max_packet_size"))
	if s := p.Stats(); s.Queued != 1 || s.Connections != 1 {
		t.Errorf("%+v", s)
	}
}

// A real broker accepts the names that CheckName accepts, in both versions of MQTT; CheckName refuses what the broker
// forbids.
func TestBrokerAcceptsEveryNameThatPasses(t *testing.T) {
	broker := startUnbounded(t, "allow_anonymous true")
	watch := publishtest.Record(t, broker.URL(), "facesieve/#")
	var names []string
	for _, block := range [][2]rune{
		{1, 0x24F},
		{0x5D0, 0x65F},
		{0x2000, 0x206F},
		{0xD7F0, 0xE010},
		{0xFDC0, 0xFE0F},
		{0xFEF0, 0x1000F},
		{0x1F600, 0x1F610},
		{0x1FFF0, 0x2000F},
		{0xE0000, 0xE007F},
		{0x10FFF0, 0x10FFFF},
	} {
		for r := block[0]; r <= block[1]; r++ {
			if utf8.ValidRune(r) {
				names = append(names, "a"+string(r)+"b")
			}
		}
	}
	names = append(names, strings.Repeat("n", event.MaxName), strings.Repeat("ü", event.MaxName/2),
		"$SYS", "~", ".", "..")
	for _, url := range []string{broker.URL(), startOld(t, broker.Addr)} {
		p := mustOpen(t, testConfig(url), quick())
		passed := 0
		for _, name := range names {
			if event.CheckName(name) != nil {
				continue
			}
			passed++
			if err := p.SetState(name, event.State{State: event.Running, Since: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		if passed < 600 || passed > len(names)-200 {
			t.Errorf("%d of %d names passed", passed, len(names))
		}
		publishtest.Eventually(t, "all arrived", func() bool { return countStates(watch) == passed })
		if s := p.Stats(); s.Connections != 1 || s.Denied != "" {
			t.Errorf("%+v", s)
		}
		p.Close(t.Context())
		watch.Clear()
	}
}

// countStates returns how many topics of a state have a message.
func countStates(r *publishtest.Recorder) int {
	found := map[string]bool{}
	for _, m := range r.Messages() {
		if strings.HasSuffix(m.Topic(), "/state") {
			found[m.Topic()] = true
		}
	}
	return len(found)
}
