package broker

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"facesieve/publish/publishtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCloseEndsEverything(t *testing.T) {
	here := goleak.IgnoreCurrent()
	b := startTest(t, testLog(t), nil, nil)
	silent, err := net.Dial("tcp", b.Addr()) // sends no CONNECT
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	daemon := connectDaemon(t, b, daemonID)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error("second Close:", err)
	}
	if n, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("silent client still connected", n)
	}
	publishtest.Eventually(t, "the daemon is disconnected", func() bool { return !daemon.IsConnected() })
	if conn, err := net.Dial("tcp", b.Addr()); err == nil {
		_ = conn.Close()
		t.Error("still listens")
	}
	daemon.Disconnect(0)
	goleak.VerifyNone(t, here)
}

// The listener disconnects the clients itself: the server's own function can deadlock.
func TestListenerDisconnectsClients(t *testing.T) {
	b := startTest(t, testLog(t), nil, nil)
	c := rawConnected(t, b.Addr(), "client", nil)
	b.listener.Close(func(string) { t.Error("the server's function is called") })
	c.ended()
}

// Clients that leave while the broker ends do not keep it from ending.
func TestCloseWhileClientsLeave(t *testing.T) {
	connect := []byte{0x10, 16, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 4, 'c', '0', '0', '0'}
	for range 100 {
		b := startTest(t, testLog(t), nil, nil)
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
		case <-time.After(publishtest.Patience):
			t.Fatal("the broker does not end")
		}
		for _, conn := range conns {
			_ = conn.Close()
		}
	}
}

// A subscriber receives the last messages of the daemon, although the broker ends right after them.
func TestCloseDeliversTheLastMessages(t *testing.T) {
	b := startTest(t, testLog(t), nil, nil)
	b.grace = publishtest.Patience // on a busy machine
	w := publishtest.Record(t, "tcp://"+b.Addr(), "facesieve/#")
	daemon := connectDaemon(t, b, daemonID)
	deliverAll(t, daemon, "facesieve/gate/door/face", 100, 5000)
	deliver(t, daemon, someStatus, true, []byte("offline"))
	daemon.Disconnect(0)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	publishtest.Eventually(t, "last message", func() bool { return w.Last(someStatus) == "offline" })
	if n := len(w.On("facesieve/gate/door/face")); n != 100 {
		t.Error(n)
	}
}

func TestStartOnAUsedPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = Start(t.Context(), Config{Listen: taken.Addr().String()}, testLog(t))
	if err == nil || !strings.Contains(err.Error(), "is another broker running? see listen") {
		t.Error(err)
	}
}

// The messages of the server are logged at debug, and never hold a password or a face.
func TestLogsAtDebugWithoutPackets(t *testing.T) {
	var text publishtest.Log
	b := startTest(t, zerolog.New(&text), func(c *Config) { c.User, c.Password = "camera", "hunter2" }, nil)
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
	if !strings.Contains(text.String(), `"level":"debug"`) ||
		!strings.Contains(text.String(), "error processing packet") {
		t.Error(text.String())
	}
	if strings.Contains(text.String(), "hunter2") || strings.Contains(text.String(), `"level":"warn"`) {
		t.Error(text.String())
	}
}

// A client that begins no TLS handshake is disconnected in time.
func TestTLSHandshakeIsBounded(t *testing.T) {
	var text publishtest.Log
	ca := publishtest.NewAuthority(t, t.TempDir(), "ca")
	pair, err := tls.LoadX509KeyPair(ca.Issue(t, "broker", x509.ExtKeyUsageServerAuth, "127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	b := startTest(t, zerolog.New(&text), func(c *Config) {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	}, func(l *limits) { l.greeting = 2 * time.Second })
	rawDial(t, b.Addr()).ended()
	publishtest.Eventually(t, "logged", func() bool { return strings.Contains(text.String(), "TLS handshake") })
}
