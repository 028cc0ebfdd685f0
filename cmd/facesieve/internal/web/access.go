package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"facesieve/cmd/facesieve/internal/config"
)

// tokenFile is the name of the file with the token, in the state directory.
const tokenFile = "page-token" //nolint:gosec // a name

// cookieAge is how long a browser stays logged in. A new token ends it.
const cookieAge = 90 * 24 * time.Hour

// ErrNoToken is the error of ReadToken if there is no token yet.
var ErrNoToken = errors.New("there is no token of the page yet")

// TokenFile returns the path of the file with the token; empty: the token is configured, or there is no state directory.
func TokenFile(cfg config.Web) string {
	if cfg.Token != "" || cfg.State == "" {
		return ""
	}
	return filepath.Join(cfg.State, tokenFile)
}

// ReadToken returns the configured token, or that in the state directory.
func ReadToken(cfg config.Web) (string, error) {
	if cfg.Token != "" {
		return string(cfg.Token), nil
	}
	if cfg.State == "" {
		return "", errors.New("no directory for the token of the page: set STATE_DIRECTORY, or FACESIEVE_WEB_TOKEN")
	}
	text, err := os.ReadFile(filepath.Join(cfg.State, tokenFile))
	token := strings.TrimSpace(string(text))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w in %s", ErrNoToken, cfg.State)
	case err != nil:
		return "", fmt.Errorf("read the token of the page: %w", err)
	case len(token) < 2*sha256.Size:
		return "", fmt.Errorf("the token in %s is damaged: delete the file", filepath.Join(cfg.State, tokenFile))
	}
	return token, nil
}

// EnsureToken returns the token of ReadToken. It makes one, in a file that only this user can read, if there is none.
func EnsureToken(cfg config.Web) (string, error) {
	token, err := ReadToken(cfg)
	if !errors.Is(err, ErrNoToken) {
		return token, err
	}
	random := make([]byte, sha256.Size)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("make a token for the page: %w", err)
	}
	token = hex.EncodeToString(random)
	if err := os.MkdirAll(cfg.State, 0o700); err != nil {
		return "", fmt.Errorf("make a token for the page: %w", err)
	}
	path := filepath.Join(cfg.State, tokenFile)
	err = renameio.WriteFile(path, []byte(token+"\n"), 0o600, renameio.WithTempDir(cfg.State))
	if err != nil {
		return "", fmt.Errorf("store the token of the page: %w", err)
	}
	return token, nil
}

// Address returns the address of the page with its token, for a browser on this machine or, if the page listens on
// another address, for any.
func Address(cfg config.Web, token string) string {
	host, port, _ := net.SplitHostPort(cfg.Listen) //nolint:errcheck // a valid configuration has both
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = config.HostName()
		if len(cfg.Hosts) > 0 {
			host = cfg.Hosts[0]
		}
	}
	scheme := "http"
	if cfg.Cert != "" {
		scheme = "https"
	}
	query := url.Values{"token": {token}}.Encode()
	page := url.URL{Scheme: scheme, Host: net.JoinHostPort(host, port), Path: "/", RawQuery: query}
	return page.String()
}

// access decides which requests are served.
type access struct {
	cfg    config.Web
	token  string
	cookie string // name; it has the port, because the ports of a host share their cookies
}

func newAccess(cfg config.Web, token string) *access {
	_, port, _ := net.SplitHostPort(cfg.Listen) //nolint:errcheck // a valid configuration has one
	return &access{cfg: cfg, token: token, cookie: "facesieve_" + port}
}

// guard serves only requests that name a host of the page, do not come from another site, and have the token or the
// cookie. A request with the token gets the cookie, and is redirected to the address without the token.
func (a *access) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !a.knowsHost(r.Host): // a name that an attacker's DNS gives to this address
			http.Error(w, "This name is not one of the page: add it to web.hosts.", http.StatusMisdirectedRequest)
		case crossSite(r):
			http.Error(w, "Requests of other sites are refused.", http.StatusForbidden)
		case reads(r) && r.URL.Query().Has("token"):
			a.login(w, r)
		case !a.loggedIn(r) && !a.hasBearer(r):
			refuse(w)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// knowsHost reports whether the Host header is one of the page. The port is not checked, because a tunnel changes it.
func (a *access) knowsHost(header string) bool {
	host := header
	if name, _, err := net.SplitHostPort(header); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	listen, _, _ := net.SplitHostPort(a.cfg.Listen) //nolint:errcheck // a valid configuration has both
	unspecified := listen == ""
	if ip, err := netip.ParseAddr(listen); err == nil {
		unspecified = ip.IsUnspecified()
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return unspecified || ip.Unmap().IsLoopback() || host == listen // an address is not resolved by DNS
	}
	names := []string{"localhost", strings.ToLower(listen)}
	if unspecified {
		names = append(names, strings.ToLower(config.HostName()))
	}
	for _, name := range a.cfg.Hosts {
		names = append(names, strings.ToLower(strings.TrimSuffix(name, ".")))
	}
	return host != "" && slices.Contains(names, host)
}

// crossSite reports whether a browser sent the request for another site. Browsers send Origin with every request but a
// GET of the same site, and with every stream; a request that is no GET must have it.
func crossSite(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		from, err := url.Parse(origin)
		return err != nil || from.Host == "" || !strings.EqualFold(from.Host, r.Host)
	}
	if !reads(r) {
		return true
	}
	site := r.Header.Get("Sec-Fetch-Site")
	navigates := r.Header.Get("Sec-Fetch-Mode") == "navigate"
	return site != "" && site != "same-origin" && site != "none" && !navigates
}

// reads reports whether the method of a request changes nothing.
func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

func (a *access) login(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(query.Get("token")), []byte(a.token)) != 1 {
		refuse(w)
		return
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // without TLS a browser would drop a secure cookie
		Name: a.cookie, Value: a.cookieValue(), Path: "/", MaxAge: int(cookieAge.Seconds()),
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
	query.Del("token")
	clean := url.URL{Path: "/" + strings.TrimLeft(r.URL.Path, "/"), RawQuery: query.Encode()}
	http.Redirect(w, r, clean.String(), http.StatusSeeOther)
}

func (a *access) loggedIn(r *http.Request) bool {
	return slices.ContainsFunc(r.CookiesNamed(a.cookie), func(c *http.Cookie) bool {
		return subtle.ConstantTimeCompare([]byte(c.Value), []byte(a.cookieValue())) == 1
	})
}

// cookieValue is not the token, so that a program that gets the cookie cannot use it in an address.
func (a *access) cookieValue() string {
	mac := hmac.New(sha256.New, []byte(a.token))
	mac.Write([]byte("cookie of " + a.cookie))
	return hex.EncodeToString(mac.Sum(nil))
}

// refuse answers a request without a token, or with a wrong one.
func refuse(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte(loginPage)) //nolint:errcheck // the client has gone
}
