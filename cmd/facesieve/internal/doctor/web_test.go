package doctor

import (
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/internal/freeport"
	"facesieve/publish/publishtest"
)

// servePage serves these answers as a page, and returns its configuration.
func servePage(t *testing.T, answers map[string]string) config.Web {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := answers[r.URL.Path]
		if text != "ok\n" {
			http.Error(w, text, http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(server.Close)
	return config.Web{Listen: strings.TrimPrefix(server.URL, "http://")}
}

func TestPageAddress(t *testing.T) {
	check := func(cfg config.Web) Finding { return checkWeb(t.Context(), cfg, "")[0] }
	wantFinding(t, "no page", check(config.Web{}), OK, "web.listen is empty")
	free := freeport.Address(t)
	wantFinding(t, "free", check(config.Web{Listen: free}), OK, free+" is free; the page opens with the daemon")
	_, port, err := net.SplitHostPort(free)
	if err != nil {
		t.Fatal(err)
	}
	wantFinding(t, "exposed", check(config.Web{Listen: ":" + port}), Warning, "without encryption; set web.cert and web.key")
	wantFinding(t, "absent", check(config.Web{Listen: "192.0.2.1:8470"}), Failed, "does not have the address of 192.0.2.1:8470")
	for name, c := range map[string]struct {
		health, ready string
		result        Result
		part          string
	}{
		"ready":         {"ok\n", "ok\n", OK, "is answered by the daemon, which is ready"},
		"not ready":     {"ok\n", "outbox: 1 event in memory only\nx", Warning, "not ready: outbox: 1 event in memory only x"},
		"hangs":         {"daemon: its last report is 1m old", "", Failed, "and hangs: daemon: its last report"},
		"other program": {"welcome", "", Failed, "in use by another program"},
	} {
		wantFinding(t, name, check(servePage(t, map[string]string{"/healthz": c.health, "/readyz": c.ready})), c.result, c.part)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { silent.Close() })
	wantFinding(t, "no server of HTTP", check(config.Web{Listen: silent.Addr().String()}), Failed, "in use by another program")
}

func TestPageToken(t *testing.T) {
	cfg := config.Web{Listen: "127.0.0.1:1"}
	file := filepath.Join(t.TempDir(), "page-token")
	wantFinding(t, "none", checkToken(cfg, file), OK, "makes it at its first start")
	wantFinding(t, "no directory", checkToken(cfg, ""), Failed, "set STATE_DIRECTORY")
	for _, c := range []struct {
		text   string
		mode   os.FileMode
		result Result
		part   string
	}{
		{"short\n", 0o600, Failed, "is damaged"},
		{strings.Repeat("a", 64) + "\n", 0o600, OK, "mode 600"},
		{strings.Repeat("a", 64) + "\n", 0o644, Warning, "mode 644: others can read the token"},
	} {
		if err := os.WriteFile(file, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, c.mode); err != nil {
			t.Fatal(err)
		}
		wantFinding(t, c.mode.String(), checkToken(cfg, file), c.result, c.part)
	}
	cfg.Token = "a configured token"
	wantFinding(t, "given", checkToken(cfg, ""), OK, "given by the environment")
}

func TestPageCertificate(t *testing.T) {
	dir := t.TempDir()
	ca := publishtest.NewAuthority(t, dir, "test authority")
	cfg := config.Web{Listen: "127.0.0.1:1", Hosts: []string{"board.lan"}}
	cfg.Cert, cfg.Key = ca.Issue(t, "page", x509.ExtKeyUsageServerAuth, "board.lan")
	at := time.Now()
	wantFinding(t, "an hour", checkCertificate(cfg, at), Warning, `issued by "test authority", expires on`)
	wantFinding(t, "in days", checkCertificate(cfg, at.Add(-72*time.Hour)), Failed, "not valid yet")
	wantFinding(t, "expired", checkCertificate(cfg, at.Add(48*time.Hour)), Failed, "expired on")
	cfg.Hosts = append(cfg.Hosts, "other.lan")
	wantFinding(t, "other name", checkCertificate(cfg, at), Warning, "does not have the names other.lan of web.hosts")

	other := publishtest.NewAuthority(t, dir, "other authority")
	var both []byte
	for _, path := range []string{cfg.Cert, other.File} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, text...)
	}
	wrong := cfg
	wrong.Cert = filepath.Join(dir, "both.pem")
	if err := os.WriteFile(wrong.Cert, both, 0o600); err != nil {
		t.Fatal(err)
	}
	wantFinding(t, "wrong chain", checkCertificate(wrong, at), Failed, "has not issued the one before it")

	cfg.Key = filepath.Join(dir, "absent")
	f := checkCertificate(cfg, at)
	wantFinding(t, "no key", f, Failed, "the certificate and its key cannot be used")
	if f.Check != "certificate" || f.Name != "web" {
		t.Errorf("%s %s", f.Check, f.Name)
	}

	self := &publishtest.Authority{Dir: t.TempDir()}
	cfg.Hosts = nil
	cfg.Cert, cfg.Key = self.Issue(t, "page", x509.ExtKeyUsageServerAuth, "board.lan")
	wantFinding(t, "self-signed", checkCertificate(cfg, at), Warning, "signed by itself, so that browsers warn")
}
