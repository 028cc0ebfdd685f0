package doctor

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facesieve/internal/freeport"
	"facesieve/publish"
	"facesieve/publish/publishtest"
)

func configOf(url string) publish.Config {
	cfg := publish.Default()
	cfg.Broker, cfg.Device = url, "gate"
	return cfg
}

// onlyFinding returns the one finding of a broker without TLS.
func onlyFinding(t *testing.T, cfg publish.Config) Finding {
	t.Helper()
	found := checkBroker(t.Context(), cfg)
	if len(found) != 1 {
		t.Fatalf("%+v", found)
	}
	return found[0]
}

// wantFinding fails the test unless a finding has a result, and a part of its line.
func wantFinding(t *testing.T, name string, f Finding, result Result, part string) {
	t.Helper()
	if line := f.Text + "; " + f.Fix; f.Result != result || !strings.Contains(line, part) {
		t.Errorf("%s: %s %s; want %s with %q", name, f.Result, line, result, part)
	}
}

// startGuarded starts a mosquitto whose access control has one line.
func startGuarded(t *testing.T, rule string) *publishtest.Mosquitto {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "acl")
	if err := os.WriteFile(file, []byte(rule+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return publishtest.StartMosquitto(t, dir, "allow_anonymous true", "acl_file "+file)
}

func TestBroker(t *testing.T) {
	open := publishtest.StartAnonymous(t)
	wantFinding(t, "open", onlyFinding(t, configOf(open.URL())), OK, "connected by MQTT 5, without a login, QoS 1; "+
		"a message came back, and so did a retained one")

	forbids := startGuarded(t, "topic readwrite elsewhere")
	wantFinding(t, "forbids", onlyFinding(t, configOf(forbids.URL())), Failed, "forbids facesieve/gate/probe: allow")

	writeOnly := startGuarded(t, "topic write facesieve/gate/#")
	wantFinding(t, "write only", onlyFinding(t, configOf(writeOnly.URL())), Warning,
		"mosquitto: topic readwrite facesieve/gate/#")

	dir := t.TempDir()
	locked := configOf(publishtest.StartMosquitto(t, dir, publishtest.Passwords(t, dir, "joe", "sesame")...).URL())
	wantFinding(t, "no login", onlyFinding(t, locked), Failed, "set mqtt.user and mqtt.password")
	locked.User, locked.Password = "joe", "wr0ng"
	f := onlyFinding(t, locked)
	wantFinding(t, "wrong password", f, Failed, "check mqtt.user and mqtt.password")
	if strings.Contains(f.Text+f.Fix, "wr0ng") {
		t.Errorf("the password is shown: %s", f.Text)
	}
	locked.Password = "sesame"
	wantFinding(t, "login", onlyFinding(t, locked), OK, "login accepted")

	address := freeport.Address(t)
	wantFinding(t, "absent", onlyFinding(t, configOf("tcp://"+address)), Failed, "nothing listens on port")

	embedded := configOf(publish.Embedded)
	embedded.Listen = address
	wantFinding(t, "embedded", onlyFinding(t, embedded), OK, "it starts with the daemon")
	embedded.Listen = open.Addr
	wantFinding(t, "embedded, running", onlyFinding(t, embedded), OK, "a program listens")
}

// secureConfig returns the configuration for a mosquitto with TLS, whose certificate an authority has issued.
func secureConfig(t *testing.T, expired bool) publish.Config {
	t.Helper()
	dir := t.TempDir()
	ca := publishtest.NewAuthority(t, dir, "test authority")
	ca.Expired = expired
	cert, key := ca.Issue(t, "broker", x509.ExtKeyUsageServerAuth, "127.0.0.1")
	broker := publishtest.StartMosquitto(t, dir, "allow_anonymous true", "certfile "+cert, "keyfile "+key)
	cfg := configOf("ssl://" + broker.Addr)
	cfg.TLS.CA = ca.File
	return cfg
}

func TestBrokerWithTLS(t *testing.T) {
	found := checkBroker(t.Context(), secureConfig(t, false))
	if len(found) != 2 || found[1].Check != "certificate" {
		t.Fatalf("%+v", found)
	}
	wantFinding(t, "broker", found[0], OK, "a message came back")
	wantFinding(t, "certificate of an hour", found[1], Warning, `chain of 2 to "test authority", expires on`)
	wantFinding(t, "expired", onlyFinding(t, secureConfig(t, true)), Failed,
		"has expired or is not valid yet: renew it, or set the clock of this device")
}

func TestCertificateIsGoodUntilItMustBeRenewed(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	chain := []*x509.Certificate{{NotAfter: now.Add(renewal)}, {NotAfter: now.Add(10 * renewal)}}
	probe := publish.Probe{Chain: chain}
	wantFinding(t, "long", certificateFinding(probe, now), OK, "expires on 2026-05-15")
	wantFinding(t, "short", certificateFinding(probe, now.Add(time.Second)), Warning, "renew the certificate")
}
