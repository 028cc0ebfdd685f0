package capture

import (
	"crypto/md5" //nolint:gosec // required by RFC 2617
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/auth"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"

	"facesieve/capture/sourceurl"
	"facesieve/internal/freeport"
)

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text)) //nolint:gosec // required by RFC 2617
	return hex.EncodeToString(sum[:])
}

// digestGate accepts requests with a correct Digest login of RFC 2617, with qop=auth.
type digestGate struct {
	next    http.Handler
	refused atomic.Int64
}

func (d *digestGate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	given := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+)="?([^",]*)"?`).FindAllStringSubmatch(r.Header.Get("Authorization"), -1) {
		given[m[1]] = m[2]
	}
	want := md5Hex(strings.Join([]string{
		md5Hex("joe:camera:sés@me"), "n0nce", given["nc"], given["cnonce"], "auth", md5Hex("GET:" + r.URL.RequestURI()),
	}, ":"))
	if given["response"] != want {
		d.refused.Add(1)
		w.Header().Set("WWW-Authenticate", `Digest realm="camera", nonce="n0nce", qop="auth", algorithm=MD5`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	r.SetBasicAuth("joe", "sesame")
	d.next.ServeHTTP(w, r)
}

func TestDigestLoginOverHTTP(t *testing.T) {
	t.Parallel()
	handler := &mjpeg{}
	handler.show(t, 64, 48)
	gate := &digestGate{next: handler}
	server := httptest.NewServer(gate)
	t.Cleanup(server.Close)
	s := open(t, unhurried(strings.Replace(server.URL, "://", "://joe:s%C3%A9s%40me@", 1)+"/video?channel=1"))
	next(t, s, newFrame(t))
	if refused := gate.refused.Load(); refused != 1 {
		t.Errorf("%d requests were refused, one is the challenge", refused)
	}
	wrong := open(t, unhurried(strings.Replace(server.URL, "://", "://joe:wrong@", 1)+"/video"))
	eventually(t, "refused", func() bool { return wrong.Stats().Reason == ReasonUnauthorized })
	time.Sleep(500 * time.Millisecond) // several of the usual pauses
	if refused := gate.refused.Load(); refused != 3 {
		t.Errorf("%d requests were refused; want the challenges and one wrong password", refused)
	}
}

// The password is not sent to a server that offers no supported kind of login.
func TestThePasswordIsNotSentToUnsupportedLogins(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("got %s", r.Header.Get("Authorization"))
		}
		w.Header().Set("WWW-Authenticate", "Negotiate")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(server.Close)
	got := failure(t, quick(strings.Replace(server.URL, "://", "://joe:sesame@", 1)), ReasonUnauthorized)
	if got.Reason != ReasonUnauthorized ||
		!strings.Contains(fmt.Sprint(got.LastError), "of a kind that is not supported") {
		t.Errorf("%q: %s", got.Reason, got.LastError)
	}
}

// The password is sent only to the configured host, not to other allowed hosts.
func TestThePasswordIsSentToTheConfiguredHostOnly(t *testing.T) {
	t.Parallel()
	var requested atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requested.Add(1)
		if r.Header.Get("Authorization") != "" || r.Header.Get("Referer") != "" {
			t.Errorf("another host got %v", r.Header)
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="mine"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(other.Close)
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="camera"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, elsewhere+"/video", http.StatusFound)
	}))
	t.Cleanup(server.Close)
	cfg := quick(strings.Replace(server.URL, "://", "://joe:sesame@", 1) + "/?token=s3cret")
	cfg.AllowHosts = []string{"localhost"}
	got := failure(t, cfg, ReasonUnauthorized)
	if requested.Load() == 0 || got.Reason != ReasonUnauthorized {
		t.Errorf("%d requests to the other host; %q: %s", requested.Load(), got.Reason, got.LastError)
	}
}

// login is a user and a password, as configured in a camera.
type login struct{ user, password string }

// logins returns logins with all characters that have a meaning in a URL, in a request or for printf.
func logins() []login {
	var all []login
	for _, password := range []string{
		"plain", "Pa^ss", "Paß", "two words", " edges ", "{", "|", `"`, "#", "/", "?", "@", "%41", "%", ":", "a:b", "$",
		"${X}", "12#34", "12/34", "12?34", "1@2", `\`, "'", "&=+;,", "<>", "[::1]", "%s%n", "日本", "\xff", "~!*()-._",
	} {
		all = append(all, login{"viewer", password})
	}
	return append(all, login{"us er@home", "x"}, login{"ädmin", "y"}, login{"a/b", "1"}, login{"%41", "%41"})
}

// loginServer records for each login, whose number is the path of the URL, whether it arrives correctly.
type loginServer struct {
	mu   sync.Mutex
	good map[int]bool
}

func (s *loginServer) record(path string, good func(login) bool) bool {
	i, err := strconv.Atoi(strings.Trim(path, "/"))
	all := logins()
	if err != nil || i >= len(all) || !good(all[i]) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.good[i] = true
	return true
}

func (s *loginServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.record(r.URL.Path, func(l login) bool {
		user, password, _ := r.BasicAuth()
		return l == login{user, password}
	}) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="camera"`)
	w.WriteHeader(http.StatusUnauthorized)
}

func (s *loginServer) OnDescribe(
	ctx *gortsplib.ServerHandlerOnDescribeCtx,
) (*base.Response, *gortsplib.ServerStream, error) {
	if s.record(ctx.Path, func(l login) bool {
		// gortsplib cannot parse a Basic password with a colon.
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(l.user+":"+l.password))
		return slices.Equal(ctx.Request.Header["Authorization"], []string{basic}) ||
			ctx.Conn.VerifyCredentials(ctx.Request, l.user, l.password)
	}) {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
}

// The server receives user and password exactly as they are in the variables.
func TestVariablesReachTheServerUnchanged(t *testing.T) {
	t.Parallel()
	for name, methods := range map[string][]auth.VerifyMethod{
		"http": nil, "rtsp basic": {auth.VerifyMethodBasic}, "rtsp digest": {auth.VerifyMethodDigestMD5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler := &loginServer{good: map[int]bool{}}
			base := ""
			if methods == nil {
				server := httptest.NewServer(handler)
				t.Cleanup(server.Close)
				base = strings.Replace(server.URL, "://", "://${USER}:${PASSWORD}@", 1)
			} else {
				address := freeport.Address(t)
				server := &gortsplib.Server{Handler: handler, RTSPAddress: address, AuthMethods: methods}
				if err := server.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(server.Close)
				base = "rtsp://${USER}:${PASSWORD}@" + address
			}
			for i, l := range logins() {
				text := fmt.Sprintf("%s/%d", base, i)
				values := map[string]string{"USER": l.user, "PASSWORD": l.password}
				url, err := sourceurl.Expand(text, func(name string) string { return values[name] })
				if err != nil {
					t.Fatalf("%q: %v", l, err)
				}
				cfg := quick(url)
				cfg.Shown = text
				s := open(t, cfg)
				eventually(t, fmt.Sprintf("login %q", l), func() bool {
					handler.mu.Lock()
					defer handler.mu.Unlock()
					return handler.good[i]
				})
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
