package publish

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"facesieve/internal/freeport"
	"facesieve/publish/publishtest"
)

// connectError returns the error of one attempt of a publisher to connect.
func connectError(t *testing.T, cfg Config) string {
	t.Helper()
	l, err := connect(t.Context(), cfg, identity{
		clientID: cfg.ClientName(), sends: true, will: cfg.Topics().Status(), memory: new(memory),
	})
	if err == nil {
		select { // a refusal of TLS 1.3 may come later
		case <-l.lost:
			err = l.err
		case <-time.After(publishtest.Patience):
		}
		l.abort()
	}
	return fmt.Sprint(err)
}

// Each failure has a hint of its own.
func TestEachFailureHasItsOwnFix(t *testing.T) {
	for name, c := range map[string]struct {
		broker func(t *testing.T) Config
		want   string
	}{
		"only a common name": {func(t *testing.T) Config {
			return secured(t, func(ca *publishtest.Authority) { ca.NoSAN = true },
				"127.0.0.1", x509.ExtKeyUsageServerAuth)
		}, "refused: the broker's certificate has its name as common name (CN) only, which is no longer valid: " +
			"issue one with subjectAltName"},
		"another name": {func(t *testing.T) Config {
			return secured(t, nil, "broker.example", x509.ExtKeyUsageServerAuth)
		}, "refused: the broker's certificate is for another name: set tls.server_name"},
		"expired": {func(t *testing.T) Config {
			return secured(t, func(ca *publishtest.Authority) { ca.Expired = true },
				"127.0.0.1", x509.ExtKeyUsageServerAuth)
		}, "refused: the broker's certificate has expired or is not valid yet: renew it, or set the clock"},
		"certificate of a client": {func(t *testing.T) Config {
			return secured(t, nil, "127.0.0.1", x509.ExtKeyUsageClientAuth)
		}, "refused: the broker's certificate is not for servers: issue one with the extended key usage serverAuth"},
		"another authority": {func(t *testing.T) Config {
			cfg := secured(t, nil, "127.0.0.1", x509.ExtKeyUsageServerAuth)
			cfg.TLS.CA = publishtest.NewAuthority(t, t.TempDir(), "other").File
			return cfg
		}, "refused: the broker's certificate is not trusted: set tls.ca to the CA that signed it"},
		"self-signed": {selfSignedBroker, "refused: the broker's certificate is self-signed and not trusted: " +
			"set tls.ca to a copy"},
		"TLS on a plain port": {func(t *testing.T) Config {
			return testConfig("ssl://" + publishtest.StartAnonymous(t).Addr)
		}, "refused: the broker does not speak TLS on this port: use tcp://"},
		"plain on a TLS port": {func(t *testing.T) Config {
			cfg := secured(t, nil, "127.0.0.1", x509.ExtKeyUsageServerAuth)
			return testConfig("tcp" + strings.TrimPrefix(cfg.Broker, "ssl"))
		}, "refused: the broker requires TLS on this port: use ssl://"},
		"TLS 1.1": {oldTLSBroker, "refused: the broker offers TLS 1.0 or 1.1 only"},
		"client certificate required": {func(t *testing.T) Config {
			cfg, _ := secureBroker(t, "127.0.0.1")
			cfg.TLS.Cert, cfg.TLS.Key = "", ""
			return cfg
		}, "client certificate: set tls.cert and tls.key"},
		"client certificate of another authority": {func(t *testing.T) Config {
			cfg, _ := secureBroker(t, "127.0.0.1")
			cfg.TLS.Cert, cfg.TLS.Key = publishtest.NewAuthority(t, t.TempDir(), "other").
				Issue(t, "camera", x509.ExtKeyUsageClientAuth)
			return cfg
		}, "client certificate: "},
		"no retained messages": {
			mosquittoWith("retain_available false"),
			"refused: the broker keeps no retained messages",
		},
		"QoS 0 only": {mosquittoWith("max_qos 0"), "refused: the broker accepts QoS 0 only"},
		"too many connections": {func(t *testing.T) Config {
			cfg := mosquittoWith("max_connections 1")(t)
			for range 8 {
				conn, err := net.Dial("tcp", strings.TrimPrefix(cfg.Broker, "tcp://"))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
			}
			return cfg
		}, "the broker ends each connection at once: its limit of connections may be reached " +
			"(max_connections of mosquitto)"},
		"prefix of client ids": {
			mosquittoWith("clientid_prefixes camera-"),
			"refused: the broker requires user and password, or allows no client id " +
				`like "facesieve-gate" (clientid_prefixes`,
		},
		"wrong password": {func(t *testing.T) Config {
			dir := t.TempDir()
			lines := publishtest.Passwords(t, dir, "camera", "hunter2")
			cfg := testConfig(publishtest.StartMosquitto(t, dir, lines...).URL())
			cfg.User, cfg.Password = "camera", "hunter3"
			return cfg
		}, "refused: the broker rejected user or password, or allows no client id like"},
		"websockets": {websockets, "refused: an HTTP server answers on this port"},
		"HTTP": {func(t *testing.T) Config {
			server := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(server.Close)
			return testConfig("tcp://" + server.Listener.Addr().String())
		}, "refused: an HTTP server answers on this port"},
		"another service": {func(t *testing.T) Config {
			return testConfig("tcp://" + serveConns(t,
				func(c net.Conn) { _, _ = io.WriteString(c, "\x00\x00SSH-2.0-x\r\n") }))
		}, "refused: another service answers on this port"},
		"port closed": {func(t *testing.T) Config {
			return testConfig("tcp://" + freeport.Address(t))
		}, "nothing listens on port "},
	} {
		t.Run(name, func(t *testing.T) {
			got := connectError(t, c.broker(t))
			if !strings.Contains(got, c.want) || strings.Contains(got, "hunter") {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			t.Log(got)
		})
	}
}

func mosquittoWith(line string) func(t *testing.T) Config {
	return func(t *testing.T) Config {
		return testConfig(publishtest.StartMosquitto(t, t.TempDir(), "allow_anonymous true", line).URL())
	}
}

// secured is a broker with a certificate for a name and a usage, of an authority that is trusted.
func secured(t *testing.T, change func(*publishtest.Authority), name string, usage x509.ExtKeyUsage) Config {
	t.Helper()
	dir := t.TempDir()
	ca := publishtest.NewAuthority(t, dir, "ca")
	if change != nil {
		change(ca)
	}
	cert, key := ca.Issue(t, "broker", usage, name)
	broker := publishtest.StartMosquitto(t, dir, "allow_anonymous true", "certfile "+cert, "keyfile "+key)
	cfg := testConfig("ssl://" + broker.Addr)
	cfg.TLS.CA = ca.File
	return cfg
}

func selfSignedBroker(t *testing.T) Config {
	dir := t.TempDir()
	cert, key := (&publishtest.Authority{Dir: dir}).Issue(t, "broker", x509.ExtKeyUsageServerAuth, "127.0.0.1")
	broker := publishtest.StartMosquitto(t, dir, "allow_anonymous true", "certfile "+cert, "keyfile "+key)
	return testConfig("ssl://" + broker.Addr)
}

func oldTLSBroker(t *testing.T) Config {
	ca := publishtest.NewAuthority(t, t.TempDir(), "ca")
	cert, key := ca.Issue(t, "broker", x509.ExtKeyUsageServerAuth, "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10,
		MaxVersion: tls.VersionTLS11,
	}
	cfg := testConfig("ssl://" + serveConns(t, func(c net.Conn) { _ = tls.Server(c, config).Handshake() }))
	cfg.TLS.CA = ca.File
	return cfg
}

func websockets(t *testing.T) Config {
	addr := freeport.Address(t)
	_, port, _ := net.SplitHostPort(addr)
	broker := publishtest.StartMosquitto(t, t.TempDir(), "allow_anonymous true", "listener "+port+" 127.0.0.1",
		"protocol websockets")
	publishtest.Eventually(t, "mosquitto runs", func() bool {
		log, _ := os.ReadFile(broker.Log)
		return strings.Contains(string(log), " running")
	})
	return testConfig("tcp://" + addr)
}

// serveConns calls serve for each connection to an address, and closes it when serve returns.
func serveConns(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); group.Wait() })
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(t.Context(), func() { _ = conn.Close() })
			group.Go(func() {
				serve(conn)
				_ = conn.Close()
			})
		}
	})
	return l.Addr().String()
}

// The port is open, and nothing ever answers.
func TestHalfOpenBroker(t *testing.T) {
	for _, open := range []opener{open5, open3} {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		cfg := testConfig("tcp://" + serveConns(t, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1))
			cancel(errNoAnswer) // the time is over
			<-t.Context().Done()
		}))
		target, err := cfg.target()
		if err != nil {
			t.Fatal(err)
		}
		a := &attempt{ctx: ctx, cfg: cfg, id: identity{clientID: "x", memory: new(memory)}, target: target}
		_, err = a.connect(open)
		if got := fmt.Sprint(a.explain(err)); !strings.Contains(got,
			"the port is open and nothing answers: the broker hangs") {
			t.Error(got)
		}
	}
}

func TestNetworkHints(t *testing.T) {
	seen := map[string]bool{}
	for _, err := range []error{
		&net.DNSError{IsNotFound: true}, &net.DNSError{IsTemporary: true}, syscall.ECONNREFUSED, syscall.EHOSTUNREACH,
		syscall.ETIMEDOUT, syscall.EPERM,
	} {
		hint := networkHint("broker.example", "1883", fmt.Errorf("dial: %w", err))
		if hint == "" || seen[hint] {
			t.Errorf("%v: %q", err, hint)
		}
		seen[hint] = true
	}
}

// Two devices with one client id disconnect each other.
func TestSameClientIDTwice(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	want := `another client has connected with the client id "facesieve-gate": ` +
		"stop it, or give each device its own mqtt.client_id"
	for name, url := range map[string]string{"MQTT 5": broker.URL(), "MQTT 3.1.1": startOld(t, broker.Addr)} {
		t.Run(name, func(t *testing.T) {
			p := mustOpen(t, testConfig(url), quick())
			publishtest.Eventually(t, "connected", connected(p))
			other := mustOpen(t, testConfig(url), quick())
			publishtest.Eventually(t, "disconnected", func() bool {
				return strings.Contains(p.Stats().LastError, want) && strings.Contains(other.Stats().LastError, want)
			})
		})
	}
}

// The error of a connection that was lost without a reason contains the possible causes.
func TestHungUpLater(t *testing.T) {
	a := &attempt{id: identity{clientID: "facesieve-gate"}}
	if got := a.explainLoss(io.EOF).Error(); !strings.Contains(got,
		`another client has the client id "facesieve-gate"`) {
		t.Error(got)
	}
	taken := reasonError{code: 0x8e, text: "\x1b[2J"}
	if got := a.explainLoss(taken).Error(); !strings.Contains(got, "another client has connected") ||
		strings.Contains(got, "\x1b") {
		t.Error(got)
	}
	for _, text := range []string{"pingresp not received, disconnecting", "ping handler error: PINGRESP timed out"} {
		if got := a.explainLoss(errors.New(text)).Error(); !strings.Contains(got, "did not answer a ping") {
			t.Error(got)
		}
	}
}
