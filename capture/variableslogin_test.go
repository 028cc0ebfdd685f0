package capture

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/auth"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"

	"facesieve/capture/cameratest"
)

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
func TestVariablesLogInAsTheyAre(t *testing.T) {
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
				address, _ := cameratest.FreeAddresses(t)
				server := &gortsplib.Server{Handler: handler, RTSPAddress: address, AuthMethods: methods}
				if err := server.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(server.Close)
				base = "rtsp://${USER}:${PASSWORD}@" + address
			}
			for i, l := range logins() {
				text := fmt.Sprintf("%s/%d", base, i)
				url, err := Expand(text, of(map[string]string{"USER": l.user, "PASSWORD": l.password}))
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
