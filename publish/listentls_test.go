package publish

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/publish/publishtest"
)

// secureEmbedded starts an embedded broker with TLS, and returns the configuration of a client on the network.
func secureEmbedded(
	t *testing.T, log zerolog.Logger, change func(*Config), hosts ...string,
) (client, own Config, ca *publishtest.Authority) {
	t.Helper()
	ca = publishtest.NewAuthority(t, t.TempDir(), "ca")
	own, b := embeddedWith(t, log, func(c *Config) {
		c.ListenTLS.Cert, c.ListenTLS.Key = ca.Issue(t, "broker", x509.ExtKeyUsageServerAuth, hosts...)
		if change != nil {
			change(c)
		}
	})
	client = testConfig("ssl://" + b.Addr())
	client.TLS.CA = ca.File
	return client, own, ca
}

func TestBrokerWithTLS(t *testing.T) {
	var text publishtest.Log
	client, own, _ := secureEmbedded(t, zerolog.New(&text), func(c *Config) {
		c.User, c.Password = "camera", "hunter2"
	}, "127.0.0.1")
	client.User, client.Password = "camera", "hunter2"
	w := startWatch(t, client)
	p := mustOpen(t, own, quick())
	publishtest.Eventually(t, "online", func() bool { return w.count("online") > 0 })
	publishAll(t, p, 0, 3)
	publishtest.Eventually(t, "arrived", func() bool { return w.count("event") == 3 })

	plain := testConfig("tcp" + strings.TrimPrefix(client.Broker, "ssl"))
	if got := refusal(t, plain); !strings.Contains(got, "TLS") || !strings.Contains(got, "use ssl://") {
		t.Error(got)
	}
	old := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true}
	if conn, err := tls.Dial("tcp", strings.TrimPrefix(client.Broker, "ssl://"), old); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 is accepted")
	}
	if !strings.Contains(text.String(), "TLS handshake") || strings.Contains(text.String(), "unencrypted") {
		t.Error(text.String())
	}
}

// A client on the same machine with the broker's own configuration trusts that certificate, whatever names it holds.
func TestBrokerWithTLSAndItsOwnConfiguration(t *testing.T) {
	_, own, ca := secureEmbedded(t, testLog(t), nil, "camera.example")
	outside := own
	outside.Dialer = nil
	w := startWatch(t, outside)
	p := mustOpen(t, own, quick())
	publishAll(t, p, 0, 1)
	publishtest.Eventually(t, "arrived", func() bool { return w.count("online") > 0 })
	outside.ListenTLS.Cert, outside.ListenTLS.Key = ca.Issue(t, "other", x509.ExtKeyUsageServerAuth, "camera.example")
	if got := refusal(t, outside); !strings.Contains(got, "is not that of listen_tls.cert") {
		t.Error(got)
	}
}

func TestBrokerWithClientCertificates(t *testing.T) {
	client, own, ca := secureEmbedded(t, testLog(t), func(c *Config) {
		c.Listen, c.ListenTLS.ClientCA = "0.0.0.0:0", strings.TrimSuffix(c.ListenTLS.Cert, "broker.pem")+"ca.pem"
	}, "127.0.0.1")
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(client.Broker, "ssl://"))
	client.Broker = "ssl://127.0.0.1:" + port
	if got := refusal(t, client); !strings.Contains(got, "certificate") {
		t.Error(got)
	}
	other := client
	otherCA := publishtest.NewAuthority(t, t.TempDir(), "other")
	other.TLS.Cert, other.TLS.Key = otherCA.Issue(t, "viewer", x509.ExtKeyUsageClientAuth)
	if got := refusal(t, other); !strings.Contains(got, "certificate") {
		t.Error(got)
	}
	client.TLS.Cert, client.TLS.Key = ca.Issue(t, "viewer", x509.ExtKeyUsageClientAuth)
	w := startWatch(t, client)
	mustOpen(t, own, quick())
	publishtest.Eventually(t, "online", func() bool { return w.count("online") > 0 })
}

// Changed files are read for the next connection; an incomplete change is ignored.
func TestBrokerReadsRenewedCertificates(t *testing.T) {
	client, own, ca := secureEmbedded(t, testLog(t), nil, "127.0.0.1")
	serial := func() string {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(client.Broker, "ssl://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	first := serial()
	key, err := os.ReadFile(own.ListenTLS.Key)
	if err != nil {
		t.Fatal(err)
	}
	ca.Issue(t, "broker", x509.ExtKeyUsageServerAuth, "127.0.0.1")
	fresh, err := os.ReadFile(own.ListenTLS.Key)
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	write := func(key []byte) {
		t.Helper()
		later = later.Add(time.Minute)
		for _, err := range []error{
			os.WriteFile(own.ListenTLS.Key, key, 0o600), os.Chtimes(own.ListenTLS.Key, later, later),
			os.Chtimes(own.ListenTLS.Cert, later, later),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	write(key)
	if serial() != first {
		t.Error("a certificate without its key is used")
	}
	write(fresh)
	if serial() == first {
		t.Error("the former certificate is used")
	}
}

func TestBrokerTLSFaults(t *testing.T) {
	dir := t.TempDir()
	cert, key := publishtest.NewAuthority(t, dir, "ca").Issue(t, "broker", x509.ExtKeyUsageServerAuth)
	for want, change := range map[string]func(*ListenTLS){
		"listen_tls.cert: listen_tls.cert without listen_tls.key": func(l *ListenTLS) { l.Cert = cert },
		"listen_tls.client_ca: set without a certificate":         func(l *ListenTLS) { l.ClientCA = cert },
		"listen_tls.cert: the file cannot be read: no such file": func(l *ListenTLS) {
			l.Cert, l.Key = dir+"/none", key
		},
		"listen_tls.key: the file cannot be read: no such file": func(l *ListenTLS) {
			l.Cert, l.Key = cert, dir+"/none"
		},
		"listen_tls.cert: does not fit listen_tls.key": func(l *ListenTLS) {
			l.Cert, l.Key = dir+"/ca.pem", key
		},
		"listen_tls.client_ca: holds no PEM certificate": func(l *ListenTLS) {
			l.Cert, l.Key, l.ClientCA = cert, key, key
		},
	} {
		cfg := testConfig(Embedded)
		cfg.Listen = "127.0.0.1:0"
		change(&cfg.ListenTLS)
		_, err := startBroker(t, cfg, testLog(t))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), dir) {
			t.Errorf("got %v, want ... %s", err, want)
		}
	}
	cfg := testConfig("tcp://b")
	cfg.ListenTLS = ListenTLS{Cert: cert, Key: key}
	if err := cfg.Validate(); err == nil ||
		!strings.Contains(err.Error(), "listen_tls: set, but broker is not embedded") {
		t.Error(err)
	}
}

// A broker on the network without TLS logs a warning once.
func TestBrokerWarnsOfAnOpenNetwork(t *testing.T) {
	var text publishtest.Log
	embeddedWith(t, zerolog.New(&text), func(c *Config) {
		c.Listen, c.User, c.Password = "0.0.0.0:0", "camera", "hunter2"
	})
	if n := strings.Count(text.String(), "unencrypted"); n != 1 || strings.Contains(text.String(), "hunter2") {
		t.Error(text.String())
	}
}
