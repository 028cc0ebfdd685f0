package publish

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"facesieve/publish/event"
	"facesieve/publish/publishtest"
)

// secureBroker is a mosquitto that accepts TLS with a client certificate only, with a valid configuration for it.
func secureBroker(t *testing.T, name string) (Config, *publishtest.Authority) {
	t.Helper()
	dir := t.TempDir()
	ca := publishtest.NewAuthority(t, dir, "ca")
	cert, key := ca.Issue(t, "broker", x509.ExtKeyUsageServerAuth, name)
	broker := publishtest.StartMosquitto(t, dir, "allow_anonymous true", "require_certificate true",
		"cafile "+ca.File, "certfile "+cert, "keyfile "+key)
	cfg := testConfig("ssl://" + broker.Addr)
	cfg.TLS.CA = ca.File
	cfg.TLS.Cert, cfg.TLS.Key = ca.Issue(t, "camera", x509.ExtKeyUsageClientAuth)
	return cfg, ca
}

// roundTrip sends one event from a publisher to a subscriber of the same configuration.
func roundTrip(t *testing.T, cfg Config) {
	t.Helper()
	w := startWatch(t, cfg)
	p := mustOpen(t, cfg, quick())
	publishtest.Eventually(t, "online", func() bool { return w.count("online") > 0 })
	publishAll(t, p, 0, 1)
	publishtest.Eventually(t, "arrived", func() bool { return w.count("event") == 1 && p.Stats().Delivered == 1 })
	if err := shut(t.Context(), p); err != nil {
		t.Error(err)
	}
	publishtest.Eventually(t, "offline", func() bool { return w.count("offline") == 1 })
}

// refusal is the error of the first attempt of a publisher to connect.
func refusal(t *testing.T, cfg Config) string {
	t.Helper()
	p := mustOpen(t, cfg, quick())
	publishtest.Eventually(t, "refused", func() bool { return p.Stats().LastError != "" })
	if p.Stats().Connections != 0 {
		t.Error("connected")
	}
	return p.Stats().LastError
}

func TestTLSWithClientCertificate(t *testing.T) {
	cfg, _ := secureBroker(t, "127.0.0.1")
	roundTrip(t, cfg)
}

func TestTLSServerName(t *testing.T) {
	cfg, _ := secureBroker(t, "broker.example")
	want := "refused: the broker's certificate is for another name: " +
		"set tls.server_name to a name in it, or issue one for 127.0.0.1: "
	if got := refusal(t, cfg); !strings.Contains(got, want) {
		t.Error(got)
	}
	cfg.TLS.ServerName = "broker.example"
	roundTrip(t, cfg)
}

func TestTLSRefusesAnotherAuthority(t *testing.T) {
	cfg, _ := secureBroker(t, "127.0.0.1")
	cfg.TLS.CA = publishtest.NewAuthority(t, t.TempDir(), "other").File
	want := "connect to ssl://127.0.0.1:" + cfg.Broker[len("ssl://127.0.0.1:"):] +
		": refused: the broker's certificate is not trusted: set tls.ca to the CA that signed it"
	if got := refusal(t, cfg); !strings.HasPrefix(got, want) {
		t.Error(got)
	}
	err := Subscribe(t.Context(), cfg, Handler{Face: func(event.Face) {}}, testLog(t))
	if !errors.Is(err, ErrRefused) || !strings.HasPrefix(fmt.Sprint(err), want) {
		t.Error(err)
	}
	cfg.TLS.CA = "" // no authority of the system has signed it
	if got := refusal(t, cfg); !strings.HasPrefix(got, want) {
		t.Error(got)
	}
}

func TestTLSWithoutClientCertificate(t *testing.T) {
	cfg, _ := secureBroker(t, "127.0.0.1")
	cfg.TLS.Cert, cfg.TLS.Key = "", ""
	if got := refusal(t, cfg); !strings.Contains(got, "client certificate") ||
		!strings.Contains(got, "set tls.cert and tls.key: ") {
		t.Error(got)
	}
}

func TestTLSOnOneSideOnly(t *testing.T) {
	cfg, _ := secureBroker(t, "127.0.0.1")
	plain := testConfig("tcp" + strings.TrimPrefix(cfg.Broker, "ssl"))
	if got := refusal(t, plain); !strings.Contains(got, "refused: the broker requires TLS on this port: use ssl://: ") {
		t.Error(got)
	}
	embeddedConfig, _ := embedded(t, nil)
	cfg.Broker = "ssl://" + embeddedConfig.Listen
	if got := refusal(t, cfg); !strings.Contains(got,
		"refused: the broker does not speak TLS on this port: use tcp://") {
		t.Error(got)
	}
}

// Certificates are read for every connection, so that new ones need no restart.
func TestTLSReadsRenewedCertificates(t *testing.T) {
	cfg, _ := secureBroker(t, "127.0.0.1")
	good, err := os.ReadFile(cfg.TLS.CA)
	if err != nil {
		t.Fatal(err)
	}
	cfg.TLS.CA = publishtest.NewAuthority(t, t.TempDir(), "expired").File
	p := mustOpen(t, cfg, quick())
	publishtest.Eventually(t, "refused", func() bool { return strings.Contains(p.Stats().LastError, "not trusted") })
	if err := os.WriteFile(cfg.TLS.CA, good, 0o600); err != nil {
		t.Fatal(err)
	}
	publishtest.Eventually(t, "connected", connected(p))
}

func TestPasswords(t *testing.T) {
	dir := t.TempDir()
	broker := publishtest.StartMosquitto(t, dir, publishtest.Passwords(t, dir, "camera", "hunter2")...)
	cfg := testConfig(broker.URL())
	cfg.User, cfg.Password = "camera", "hunter2"
	roundTrip(t, cfg)

	var text bytes.Buffer
	cfg.Password = "hunter3"
	p, err := open(cfg, mustOpenQueue(t, inMemory()), zerolog.New(zerolog.SyncWriter(&text)), quick())
	if err != nil {
		t.Fatal(err)
	}
	publishtest.Eventually(t, "refused", func() bool {
		return strings.Contains(p.Stats().LastError,
			"refused: the broker rejected user or password, or allows no client id like")
	})
	p.Close(t.Context())
	if strings.Contains(text.String(), "hunter") || !strings.Contains(text.String(), "rejected user or password") {
		t.Error(text.String())
	}
}

func TestEmbeddedBrokerRequiresThePassword(t *testing.T) {
	cfg, _ := embedded(t, func(c *Config) { c.User, c.Password, c.Listen = "camera", "hunter2", "0.0.0.0:0" })
	_, port, _ := net.SplitHostPort(cfg.Listen)
	cfg.Listen = "0.0.0.0:" + port
	roundTrip(t, cfg)
	outside := testConfig("tcp://127.0.0.1:" + port)
	for _, password := range []Secret{"hunter3", ""} {
		outside.User, outside.Password = "camera", password
		if got := refusal(t, outside); !strings.Contains(got, "refused: the broker rejected user or password") {
			t.Error(got)
		}
	}
	outside.User = ""
	if got := refusal(t, outside); !strings.Contains(got, "refused: the broker rejected user or password") {
		t.Error(got)
	}
}
