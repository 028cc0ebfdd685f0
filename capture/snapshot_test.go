package capture

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/icholy/digest"
	"gocv.io/x/gocv"
)

// snapshotCamera serves one image until the test adds another. The first fields must be set before it is used.
type snapshotCamera struct {
	kind       string // Content-Type; "" for image/jpeg
	etag, date bool   // whether the answers have an ETag, a Last-Modified
	algorithm  string // of Digest, or "Basic"; "" for no login
	chunked    bool   // no Content-Length

	mu        sync.Mutex
	images    [][]byte // each is served to one request, and the last one to all later requests
	served    int      // complete images
	unchanged int      // answers 304
	refused   int      // answers 401
	dialled   int      // connections
}

func (c *snapshotCamera) start(t *testing.T) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(c)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if state == http.StateNew {
			c.dialled++
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "://", "://joe:sesame@", 1) + "/snapshot.jpg?token=hush"
}

// show adds images.
func (c *snapshotCamera) show(images ...[]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.images = append(c.images, images...)
}

func (c *snapshotCamera) counts() (served, unchanged, refused, dialled int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.served, c.unchanged, c.refused, c.dialled
}

func (c *snapshotCamera) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.admits(r) {
		c.refused++
		w.Header().Add("WWW-Authenticate", `Basic realm="camera"`)
		if c.algorithm != "Basic" {
			w.Header().Set("WWW-Authenticate", c.challenge().String())
		}
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if c.served > 0 && len(c.images) > 1 {
		c.images = c.images[1:]
	}
	image := c.images[0]
	tag, date := fmt.Sprintf(`"%x"`, len(image)), time.Unix(int64(len(image)), 0).UTC().Format(http.TimeFormat)
	if c.etag && r.Header.Get("If-None-Match") == tag || c.date && r.Header.Get("If-Modified-Since") == date {
		c.unchanged++
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if c.etag {
		w.Header().Set("ETag", tag)
	}
	if c.date {
		w.Header().Set("Last-Modified", date)
	}
	w.Header().Set("Content-Type", "image/jpeg")
	if c.kind != "" {
		w.Header().Set("Content-Type", c.kind)
	}
	if c.chunked {
		w.(http.Flusher).Flush()
	}
	_, _ = w.Write(image)
	c.served++
}

func (c *snapshotCamera) challenge() *digest.Challenge {
	return &digest.Challenge{Realm: "camera", Nonce: "n0nce", Algorithm: c.algorithm, QOP: []string{"auth"}}
}

// admits reports whether a request has the correct login.
func (c *snapshotCamera) admits(r *http.Request) bool {
	switch c.algorithm {
	case "":
		return true
	case "Basic":
		user, password, _ := r.BasicAuth()
		return user == "joe" && password == "sesame"
	}
	got, err := digest.ParseCredentials(r.Header.Get("Authorization"))
	if err != nil {
		return false
	}
	want, err := digest.Digest(c.challenge(), digest.Options{
		Method: r.Method, URI: r.RequestURI, Username: "joe", Password: "sesame", Cnonce: got.Cnonce, Count: got.Nc,
	})
	return err == nil && got.Response == want.Response
}

// greyJPEG returns a grey image, which the tests recognise by its width.
func greyJPEG(t testing.TB, width, height int) []byte {
	t.Helper()
	m := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(90, 90, 90, 0), height, width, gocv.MatTypeCV8UC3)
	defer m.Close()
	return encode(t, m, gocv.JPEGFileExt)
}

// polling returns a configuration with a short interval, and a read timeout that is sufficient on a busy machine.
func polling(url string) Config {
	cfg := quick(url)
	cfg.Interval, cfg.ReadTimeout = shortestInterval, 8*time.Second
	return cfg
}

func TestSnapshotsArePolled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*snapshotCamera{
		"plain": {}, "ETag": {etag: true}, "Last-Modified": {date: true}, "chunked": {chunked: true},
		"no type": {kind: "application/octet-stream"}, "Basic": {algorithm: "Basic"}, "Digest": {algorithm: "MD5"},
		"Digest of RFC 7616": {algorithm: "SHA-256", etag: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.show(greyJPEG(t, 64, 48))
			s := open(t, polling(c.start(t)))
			f := newFrame(t)
			for i, width := range []int{64, 80, 96} { // one after the other, so that a late reader misses none
				c.show(greyJPEG(t, width, 48))
				if next(t, s, f); f.Mat.Cols() != width || f.Sequence != uint64(i+1) || time.Since(f.Time) > patience {
					t.Errorf("image %d is %d wide, number %d, of %v", i, f.Mat.Cols(), f.Sequence, f.Time)
				}
			}
			// An unchanged image is not a frame, but the camera counts as connected.
			before, unchangedBefore, _, _ := c.counts()
			eventually(t, "more requests", func() bool {
				served, unchanged, _, _ := c.counts()
				return served+unchanged >= before+unchangedBefore+8
			})
			stats := s.Stats()
			_, unchanged, refused, dialled := c.counts()
			if stats.Frames != 3 || stats.Stale != 0 || stats.Reconnects != 0 || s.State() != Running {
				t.Errorf("%s, %+v", s.State(), stats)
			}
			if conditional := c.etag || c.date; conditional != (unchanged > 0) {
				t.Errorf("%d answers 304", unchanged)
			}
			if wanted := c.algorithm != ""; wanted != (refused == 1) || dialled > 2 {
				t.Errorf("%d requests without a login, %d connections", refused, dialled)
			}
		})
	}
}

// It does not run in parallel with other tests, because its read timeout is short.
func TestTheIntervalOfSnapshotsMayBeLongerThanTheReadTimeout(t *testing.T) {
	c := &snapshotCamera{}
	c.show(greyJPEG(t, 64, 48), greyJPEG(t, 80, 48))
	cfg := polling(c.start(t))
	cfg.ReadTimeout, cfg.Interval = time.Second, time.Second+2*grace
	s := open(t, cfg)
	f := newFrame(t)
	next(t, s, f)
	next(t, s, f)
	if got := s.Stats(); got.Frames != 2 || got.Reconnects != 0 {
		t.Errorf("%+v", got)
	}
}

// A camera may be writing the file when it is requested.
func TestADamagedSnapshotIsSkipped(t *testing.T) {
	t.Parallel()
	c := &snapshotCamera{}
	good := greyJPEG(t, 64, 48)
	c.show(good, good[:len(good)/2], greyJPEG(t, 80, 48))
	cfg := polling(c.start(t))
	cfg.ReadTimeout = 3 * time.Second // a damaged image counts as lost after this long
	s := open(t, cfg)
	f := newFrame(t)
	next(t, s, f)
	next(t, s, f)
	got := s.Stats()
	if f.Mat.Cols() != 80 || got.Skipped != 1 || got.Reconnects != 0 ||
		!strings.Contains(got.LastError, "damaged JPEG: Premature end") {
		t.Errorf("%d wide, %+v", f.Mat.Cols(), got)
	}
	c.show(good[:len(good)/2])
	eventually(t, "lost", func() bool { return s.State() == Reconnecting && s.Stats().Reason == ReasonUndecodable })
	c.show(good)
	next(t, s, f)
}

func TestFaultsOfSnapshotCameras(t *testing.T) {
	t.Parallel()
	good := greyJPEG(t, 64, 48)
	then := func(later http.HandlerFunc) http.HandlerFunc {
		var once sync.Once
		return func(w http.ResponseWriter, r *http.Request) {
			handler := later
			once.Do(func() { handler = body("image/jpeg", string(good)) })
			handler(w, r)
		}
	}
	stall := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			_ = sleep(r.Context(), 20*time.Millisecond)
		}
	}
	flood := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		for junk := make([]byte, 1<<20); ; {
			if _, err := w.Write(junk); err != nil {
				return
			}
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		reason  Reason
		want    string
	}{
		"login refused": {then((&snapshotCamera{algorithm: "MD5"}).ServeHTTP), ReasonUnauthorized, "(401 Unauthorized)"},
		"forbidden":     {then(httpStatus(403)), ReasonForbidden, "(403 Forbidden)"},
		"gone":          {then(httpStatus(404)), ReasonNotFound, "(404 Not Found)"},
		"busy":          {then(httpStatus(503)), ReasonServer, "(503 Service Unavailable)"},
		"web page": {
			then(body("text/html", "<html>log in")), ReasonNoVideo,
			"the server sent text/html, no longer an image",
		},
		"elsewhere": {then(elsewhere("http://192.0.2.7/x.jpg")), ReasonRedirect, "another host, 192.0.2.7"},
		"endless":   {flood, ReasonTooLarge, "more than 32 MiB"},
		"trickling": {then(stall), ReasonStalled, "no complete image within 1s"},
		"large": {
			body("image/png", string(hugePNG())), ReasonTooLarge,
			"30000x30000 pixels are more than the limit",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(c.handler)
			t.Cleanup(server.Close)
			cfg := polling(strings.Replace(server.URL, "://", "://joe:s3cret@", 1) + "/a.jpg")
			if c.reason == ReasonStalled {
				cfg.ReadTimeout = time.Second
			}
			s := open(t, cfg)
			var got string
			eventually(t, string(c.reason), func() bool {
				stats := s.Stats()
				got = stats.LastError
				return stats.Reason == c.reason
			})
			if !strings.Contains(got, c.want) || strings.Contains(got, "s3cret") || strings.Contains(got, "joe") {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// hugePNG returns a small file whose header declares 900 million pixels.
func hugePNG() []byte {
	header := chunkOf("IHDR", []byte("\x00\x00\x75\x30\x00\x00\x75\x30\x08\x02\x00\x00\x00"))
	return append(append([]byte("\x89PNG\r\n\x1a\n"), header...), chunkOf("IEND", nil)...)
}

func TestARedirectOfSnapshotsWithinTheHost(t *testing.T) {
	t.Parallel()
	good := greyJPEG(t, 64, 48)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/a.jpg" {
			http.Redirect(w, r, "/cgi/b.jpg", http.StatusFound)
			return
		}
		body("image/jpeg", string(good))(w, r)
	}))
	t.Cleanup(server.Close)
	next(t, open(t, polling(server.URL+"/a.jpg")), newFrame(t))
}

func TestSnapshotsOverTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(body("image/jpeg", string(greyJPEG(t, 64, 48))))
	t.Cleanup(server.Close)
	cfg := polling(server.URL + "/a.jpg")
	s := open(t, cfg)
	eventually(t, "refused certificate", func() bool { return s.Stats().Reason == ReasonCertificate })
	cfg.TLS.Insecure = true
	next(t, open(t, cfg), newFrame(t))
}

func TestSnapshotsHaveTheConfiguredAspect(t *testing.T) {
	t.Parallel()
	c := &snapshotCamera{}
	c.show(greyJPEG(t, 48, 48))
	cfg := polling(c.start(t))
	cfg.Aspect = "16:9"
	f := newFrame(t)
	if next(t, open(t, cfg), f); f.Mat.Cols() != 85 || f.Mat.Rows() != 48 {
		t.Errorf("%dx%d", f.Mat.Cols(), f.Mat.Rows())
	}
}
