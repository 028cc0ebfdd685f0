package publish

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
)

func TestBrokerEndsEverything(t *testing.T) {
	here := goleak.IgnoreCurrent()
	cfg := testConfig(Embedded)
	cfg.Listen = "127.0.0.1:0"
	b, err := StartBroker(t.Context(), cfg, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	silent, err := net.Dial("tcp", b.Addr()) // never says who it is
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	p := mustOpen(t, b.Attach(cfg), quick())
	eventually(t, "connected", connected(p))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error("second Close:", err)
	}
	if n, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("silent client still connected", n)
	}
	eventually(t, "lost", func() bool { return !p.Stats().Connected })
	if conn, err := net.Dial("tcp", b.Addr()); err == nil {
		_ = conn.Close()
		t.Error("still listens")
	}
	if err := shut(t.Context(), p); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, here)
}

// Mochi's own way to part from the clients of a listener can lock itself up: it is not gone.
func TestBrokerPartsInItsOwnWay(t *testing.T) {
	_, b := embedded(t, nil)
	parted := false
	part := b.listener.part
	b.listener.part = func() { parted = true; part() }
	b.listener.Close(func(string) { t.Error("parted in mochi's way") })
	if !parted {
		t.Error("the clients are left alone")
	}
}

// Clients that leave at the very moment in which the broker ends do not keep it from ending.
func TestBrokerEndsWhileClientsLeave(t *testing.T) {
	connect := []byte{0x10, 16, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 4, 'c', '0', '0', '0'}
	for range 100 {
		_, b := embedded(t, nil)
		b.grace = 0
		var conns []net.Conn
		for k := range 48 {
			conn, err := net.Dial("tcp", b.Addr())
			if err != nil {
				t.Fatal(err)
			}
			copy(connect[14:], fmt.Sprintf("c%03d", k))
			if _, err = conn.Write(connect); err == nil {
				_, err = io.ReadFull(conn, make([]byte, 4)) // the acknowledgement
			}
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
		for _, conn := range conns {
			go conn.Write([]byte{0xe0, 0}) //nolint:errcheck // the broker may be faster
		}
		ended := make(chan error, 1)
		go func() { ended <- b.Close() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			t.Fatal("the broker does not end")
		}
		for _, conn := range conns {
			_ = conn.Close()
		}
	}
}

// Who watches through the embedded broker hears that the device goes offline, although the broker goes with it.
func TestBrokerDeliversTheGoodbye(t *testing.T) {
	cfg, b := embedded(t, nil)
	b.grace = patience // on a busy machine
	w := record(t, "tcp://"+cfg.Listen, "facesieve/#")
	p := mustOpen(t, cfg, quick())
	if err := p.SetState("door", event.State{State: event.Running, Since: eventtest.Face("door", 1).Time}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "running", func() bool { return len(w.on("facesieve/gate/door/state")) == 1 })
	publishAll(t, p, 0, 100)
	if err := shut(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "goodbye", func() bool { return w.last("facesieve/gate/status") == string(event.Offline) })
	if n := len(w.on("facesieve/gate/door/face")); n != 100 {
		t.Error(n)
	}
}

func TestBrokerRefusals(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for want, change := range map[string]func(*Config){
		`broker is "tcp://b", not embedded`:     func(c *Config) { c.Broker = "tcp://b" },
		"is open to the network":                func(c *Config) { c.Listen = "0.0.0.0:0" },
		"is another broker running? see listen": func(c *Config) { c.Listen = taken.Addr().String() },
	} {
		cfg := testConfig(Embedded)
		change(&cfg)
		if _, err := StartBroker(t.Context(), cfg, testLog(t)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ... %s", err, want)
		}
	}
}

// logText is a log that may be read while mochi, whose Close does not wait for all of it, writes its last words.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// The broker's own words are for debugging, and never hold a password or a face.
func TestBrokerLogsAtDebugWithoutPackets(t *testing.T) {
	var text logText
	cfg := testConfig(Embedded)
	cfg.Listen, cfg.User, cfg.Password = "127.0.0.1:0", "camera", "hunter2"
	b, err := StartBroker(t.Context(), cfg, zerolog.New(&text))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	connect := "\x10\x1f\x00\x04MQTT\x04\xc2\x00\x3c\x00\x02me\x00\x06camera\x00\x07hunter2"
	for range 2 { // the second is an error, about which mochi logs the packet
		if _, err := conn.Write([]byte(connect)); err != nil {
			t.Fatal(err)
		}
	}
	for buffer := make([]byte, 16); err == nil; {
		_, err = conn.Read(buffer)
	}
	_ = conn.Close()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), `"level":"debug"`) || !strings.Contains(text.String(), "error processing packet") {
		t.Error(text.String())
	}
	if strings.Contains(text.String(), "hunter2") || strings.Contains(text.String(), `"level":"warn"`) {
		t.Error(text.String())
	}
}
