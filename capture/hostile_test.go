package capture

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/capture/cameratest"
)

// hostileServers returns the urls of servers, each of which misbehaves in another way.
func hostileServers(t *testing.T) map[string]string {
	t.Helper()
	urls := map[string]string{}
	flood := strings.Repeat("x", 1<<16)
	for name, talk := range map[string]func(context.Context, net.Conn){
		"silent":          cameratest.Silent,
		"trickling":       cameratest.Trickle("RTSP/1.0 200 OK\r\nX: ", time.Second),
		"endless headers": cameratest.Answer("RTSP/1.0 200 OK\r\n", "X: y\r\n", -1),
		"garbage":         cameratest.Trickle("\x00\x01\xfe\xff nonsense", 0),
		"huge body":       cameratest.Answer("RTSP/1.0 200 OK\r\nContent-Length: 2000000000\r\n\r\n", flood, -1),
		"huge description": cameratest.Answer("RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: "+
			"application/sdp\r\nContent-Length: 2000000000\r\n\r\n", flood, -1),
		"wrong password": rtspStatus("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"camera\""),
		"no such path":   rtspStatus("404 Not Found"),
		"busy":           rtspStatus("503 Service Unavailable"),
		"sound only":     described("audio PCMU/8000"),
		"no packets":     described("video H264/90000"),
		"redirects":      rtspStatus("302 Found\r\nLocation: rtsp://{address}/x"),
		"TLS garbage":    cameratest.Trickle("\x16\x03\x03\xff\xff", 0),
		"resets": func(_ context.Context, conn net.Conn) {
			_ = conn.(*net.TCPConn).SetLinger(0)
		},
	} {
		urls[name] = "rtsp://joe:sesame@" + cameratest.Serve(t, talk) + "/x"
	}
	giant := &mjpeg{}
	giant.show(t, 64, 48)
	image := bytes.Clone(*giant.image.Load())
	if at := bytes.Index(image, []byte{0xff, 0xc0}); at > 0 { // its header declares 15000x15000 pixels
		copy(image[at+5:], []byte{0x3a, 0x98, 0x3a, 0x98})
	}
	giant.image.Store(&image)
	changing := &mjpeg{}
	changing.show(t, 64, 48)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	images := [][]byte{greyJPEG(t, 64, 48), greyJPEG(t, 1920, 1080)}
	go func() {
		for i := 0; sleep(ctx, 500*time.Millisecond) == nil; i++ {
			changing.image.Store(&images[i%2])
		}
	}()
	part := "--f\r\nContent-Type: image/jpeg\r\nContent-Length: 2000000000\r\n\r\n"
	for name, handler := range map[string]http.Handler{
		"too large": giant, "changing sizes": changing,
		"web page": body("text/html", "<html>"),
		"huge part": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=f")
			for _, err := w.Write([]byte(part)); err == nil; _, err = w.Write([]byte(flood)) {
			}
		}),
	} {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		urls[name] = strings.Replace(server.URL, "://", "://joe:sesame@", 1) + "/x"
	}
	return urls
}

// A good camera next to many hostile ones keeps its connection and delivers frames, and the memory stays bounded. The test
// does not run in parallel with others, because it would measure their memory.
func TestHostileCamerasDoNotAffectOthers(t *testing.T) {
	good := newCamera(t)
	urls := hostileServers(t)
	before := resident(t)
	for name, url := range urls {
		cfg := quick(url)
		s, err := Open(cfg, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			t.Logf("%s: %s", name, s.Stats().LastError)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
	}
	began := time.Now()
	s := open(t, unhurried(good.URL))
	f := newFrame(t)
	next(t, s, f)
	t.Logf("first frame after %v, beside %d hostile servers", time.Since(began).Round(time.Millisecond), len(urls))
	peak := 0
	frames := s.Stats().Frames + 50
	eventually(t, "50 more frames", func() bool {
		peak = max(peak, resident(t)-before)
		return s.Stats().Frames >= frames
	})
	t.Logf("%d MiB more at most", peak>>20)
	if got := s.Stats(); got.Reconnects > 0 {
		t.Errorf("%+v", got)
	}
	if peak > 400<<20 {
		t.Errorf("%d MiB more", peak>>20)
	}
}

// Cameras that accept connections and never answer delay neither others nor their own end.
func TestSilentCamerasDoNotDelayOthers(t *testing.T) {
	t.Parallel()
	good := newCamera(t)
	cfg := Default()
	cfg.OpenTimeout = 10 * time.Minute // what waits for one of them waits longer than the test
	for range 20 {
		cfg.URL = "rtsp://" + cameratest.Serve(t, cameratest.Silent) + "/x"
		s := open(t, cfg)
		defer func() {
			began := time.Now()
			if err := s.Close(); err != nil || time.Since(began) > patience {
				t.Errorf("Close: %v after %v", err, time.Since(began))
			}
		}()
	}
	s := open(t, quick(good.URL))
	f := newFrame(t)
	for range 2 {
		next(t, s, f)
		good.Reset()
		eventually(t, "reconnecting", func() bool { return s.State() == Reconnecting })
	}
	next(t, s, f)
}
