package web

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
)

// The token is made once, for this user alone; a configured one replaces it.
func TestToken(t *testing.T) {
	cfg := config.Web{State: filepath.Join(t.TempDir(), "state")}
	if _, err := ReadToken(cfg); err == nil || !strings.Contains(err.Error(), cfg.State) {
		t.Errorf("before the first start: %v", err)
	}
	first, err := EnsureToken(cfg)
	testsupport.Must(t, err)
	second, err := EnsureToken(cfg)
	testsupport.Must(t, err)
	read, err := ReadToken(cfg)
	testsupport.Must(t, err)
	if len(first) != 64 || second != first || read != first {
		t.Errorf("tokens %q, %q, %q", first, second, read)
	}
	path := filepath.Join(cfg.State, tokenFile)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	testsupport.Must(t, os.WriteFile(path, []byte("short\n"), 0o600))
	if _, err := EnsureToken(cfg); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("damaged: %v", err)
	}
	cfg.Token = "a configured token"
	if token, err := EnsureToken(cfg); err != nil || token != "a configured token" {
		t.Errorf("%q, %v", token, err)
	}
	if _, err := EnsureToken(config.Web{}); err == nil {
		t.Error("a token without a directory")
	}
}

func TestAddress(t *testing.T) {
	for want, cfg := range map[string]config.Web{
		"http://127.0.0.1:8470/?token=a%26b":  {Listen: "127.0.0.1:8470"},
		"https://[::1]:8470/?token=a%26b":     {Listen: "[::1]:8470", Cert: "c"},
		"http://board.lan:8470/?token=a%26b":  {Listen: ":8470", Hosts: []string{"board.lan"}},
		"https://board.lan:8470/?token=a%26b": {Listen: "0.0.0.0:8470", Hosts: []string{"board.lan"}, Cert: "c"},
	} {
		if got := Address(cfg, "a&b"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A request without the token, or with a wrong one, gets nothing; with the token a cookie and the clean address.
func TestLogin(t *testing.T) {
	p := newTestPage(t)
	for _, path := range []string{"/", "/app.js", "/api/state", "/api/live?camera=gate", "/?token=", "/?token=wrong", "/?token=" + p.token[1:]} {
		answer := p.do(t, "GET", path, nil)
		if answer.StatusCode != http.StatusUnauthorized || len(answer.Cookies()) != 0 {
			t.Errorf("%s: %s, cookies %v", path, answer.Status, answer.Cookies())
		}
	}
	answer := p.do(t, "GET", "//other.example/x?token="+p.token+"&y=1", nil)
	if at := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || at != "/other.example/x?y=1" {
		t.Errorf("%s to %q", answer.Status, at)
	}
	cookie := answer.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Secure {
		t.Errorf("cookie %v", cookie)
	}
	if strings.Contains(cookie.Value, p.token) {
		t.Error("the cookie holds the token")
	}
	for value, want := range map[string]int{
		cookie.Value: http.StatusOK, p.token: http.StatusUnauthorized, cookie.Value[1:]: http.StatusUnauthorized,
	} {
		answer := p.do(t, "GET", "/api/state", map[string]string{"Cookie": cookie.Name + "=" + value})
		if answer.StatusCode != want {
			t.Errorf("cookie %.8s: %s, want %d", value, answer.Status, want)
		}
	}
	other := newTestPage(t) // a cookie of another daemon
	answer = other.do(t, "GET", "/", map[string]string{"Cookie": cookie.Name + "=" + cookie.Value})
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("cookie of another token: %s", answer.Status)
	}
}

// Names that the page does not have, other sites, and methods that change something are refused, also with the cookie.
func TestHostAndOrigin(t *testing.T) {
	p := newTestPage(t, func(cfg *config.Web) { cfg.Hosts = []string{"Board.lan"} })
	cookie := p.login(t)
	host := strings.TrimPrefix(p.base, "http://")
	for _, one := range []struct {
		method string
		header map[string]string
		want   int
	}{
		{"GET", map[string]string{}, 200},
		{"GET", map[string]string{"Host": "localhost:9000"}, 200}, // through a tunnel
		{"GET", map[string]string{"Host": "[::1]:8470"}, 200},
		{"GET", map[string]string{"Host": "board.LAN."}, 200},
		{"GET", map[string]string{"Host": "evil.example"}, 421},
		{"GET", map[string]string{"Host": "localhost.evil.example:8470"}, 421},
		{"GET", map[string]string{"Host": "192.0.2.7"}, 421},
		{"GET", map[string]string{"Origin": "http://" + host}, 200},
		{"GET", map[string]string{"Origin": "http://evil.example"}, 403},
		{"GET", map[string]string{"Origin": "null"}, 403},
		{"GET", map[string]string{"Origin": "http://127.0.0.1:1"}, 403},
		{"GET", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		{"GET", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200},
		{"GET", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403},
		{"GET", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 403},
		{"POST", map[string]string{}, 403},
		{"POST", map[string]string{"Origin": "null"}, 403},
		{"POST", map[string]string{"Origin": "http://evil.example"}, 403},
		{"POST", map[string]string{"Origin": "http://" + host}, 405},
		{"DELETE", map[string]string{"Origin": "http://" + host}, 405},
	} {
		one.header["Cookie"] = cookie.Name + "=" + cookie.Value
		for _, path := range []string{"/api/state", "/"} {
			if answer := p.do(t, one.method, path, one.header); answer.StatusCode != one.want {
				t.Errorf("%s %s %v: %s, want %d", one.method, path, one.header, answer.Status, one.want)
			}
		}
	}
}

// A page on all addresses is found by any of them, which DNS cannot forge, and by no name but its own.
func TestHostOfAllAddresses(t *testing.T) {
	a := newAccess(config.Web{Listen: ":8470"}, "token")
	for host, want := range map[string]bool{
		"192.0.2.7:8470": true, "[2001:db8::1]:8470": true, "localhost": true, config.HostName() + ":8470": true,
		"evil.example": false, "": false, "192.0.2.7.evil.example": false,
	} {
		if got := a.knowsHost(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

// Every response has the security headers, and may not be stored.
func TestHeaders(t *testing.T) {
	p := newTestPage(t)
	cookie := p.login(t)
	for _, path := range []string{"/", "/app.js", "/api/visits", "/absent", "/api/faces/7", "/?token=wrong"} {
		header := p.do(t, "GET", path, map[string]string{"Cookie": cookie.String()}).Header
		policy := header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: policy %q", path, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || header.Get("X-Content-Type-Options") != "nosniff" ||
			header.Get("Cache-Control") != "no-store" || header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, header)
		}
	}
}

// The first paint is small, and loads nothing from elsewhere.
func TestBundle(t *testing.T) {
	p := newTestPage(t)
	cookie := p.login(t)
	total := 0
	for _, path := range []string{"/", "/app.js", "/app.css", "/icon.svg"} {
		answer := p.do(t, "GET", path, map[string]string{"Cookie": cookie.String()})
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", path, answer.Status, err)
		}
		total += len(text)
		for _, address := range []string{"http://", "https://"} {
			plain := strings.ReplaceAll(string(text), "http://www.w3.org/", "") // names of XML, which nothing loads
			if strings.Contains(plain, address) {
				t.Errorf("%s names another host", path)
			}
		}
	}
	if total >= 100_000 {
		t.Errorf("%d bytes", total)
	}
}
