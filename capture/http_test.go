package capture

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// mjpeg serves one JPEG repeatedly, as cameras do. While off is set, it closes connections and refuses requests.
type mjpeg struct {
	image atomic.Pointer[[]byte]
	off   atomic.Bool
}

func (m *mjpeg) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if m.off.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if user, password, _ := r.BasicAuth(); user != "joe" || password != "sesame" {
		w.Header().Set("WWW-Authenticate", `Basic realm="camera"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=frame")
	for r.Context().Err() == nil && !m.off.Load() {
		image := *m.image.Load()
		_, err := fmt.Fprintf(w, "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n",
			len(image), image)
		if err != nil {
			return
		}
		w.(http.Flusher).Flush()
		_ = sleep(r.Context(), 40*time.Millisecond)
	}
}

// show changes the JPEG to a grey image of this size.
func (m *mjpeg) show(t *testing.T, width, height int) {
	t.Helper()
	image := greyJPEG(t, width, height)
	m.image.Store(&image)
}

func TestMJPEGOverHTTP(t *testing.T) {
	t.Parallel()
	handler := &mjpeg{}
	handler.show(t, 64, 48)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s := open(t, quick(strings.Replace(server.URL, "://", "://joe:sesame@", 1)+"/video.mjpg"))
	f := newFrame(t)
	next(t, s, f)
	next(t, s, f)
	if f.Mat.Cols() != 64 || f.Mat.Rows() != 48 || f.Mat.Channels() != 3 {
		t.Errorf("%dx%d, %d channels", f.Mat.Cols(), f.Mat.Rows(), f.Mat.Channels())
	}
	handler.show(t, 160, 120)
	eventually(t, "larger frames", func() bool {
		next(t, s, f)
		return f.Mat.Cols() == 160 && f.Mat.Rows() == 120
	})
	handler.off.Store(true)
	eventually(t, "reconnecting", func() bool { return s.State() == Reconnecting })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := s.Next(ctx, f); err == nil {
		t.Error("a frame came from a server that is off")
	}
	handler.off.Store(false)
	next(t, s, f)
	if got := s.Stats(); got.Reconnects == 0 || strings.Contains(got.LastError, "sesame") {
		t.Errorf("%+v", got)
	}
}
