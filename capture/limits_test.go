package capture

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"facesieve/capture/cameratest"
)

// limited allows frames of 320x240 at most.
func limited(cfg Config) Config {
	cfg.MaxPixels = minPixels
	return cfg
}

// Frames larger than max_pixels are rejected by their header, in every container.
func TestFilesWithTooLargeFramesAreRefused(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]string{
		"a.mp4":   {"-c:v", "libx264"},
		"a.mkv":   {"-c:v", "libx264"},
		"a.ts":    {"-c:v", "libx264"},
		"a.flv":   {"-c:v", "libx264"},
		"a.h264":  {"-c:v", "libx264"},
		"a.hevc":  {"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"},
		"a.avi":   {"-c:v", "mjpeg"},
		"a.mjpeg": {"-c:v", "mjpeg"},
		"a.mpg":   {"-c:v", "mpeg2video"},
		"a.webm":  {"-c:v", "libvpx", "-deadline", "realtime"},
	} {
		t.Run(name, func(t *testing.T) {
			path := clip(t, name, "30", append([]string{"-vf", "scale=640:480"}, options...)...)
			_, err := Open(limited(fast(path)), noLog())
			if reasonOf(err) != ReasonTooLarge ||
				!strings.Contains(fmt.Sprint(err), "a frame of 0.3 million pixels is larger than max_pixels (0.1 million); "+
					"lower the resolution, or raise") {
				t.Errorf("%v", err)
			}
			if got := all(t, open(t, fast(path)), identify); len(got) != 30 {
				t.Errorf("%d frames with the usual limit", len(got))
			}
		})
	}
}

func TestTooLargeFramesInTheMiddleAreRefused(t *testing.T) {
	t.Parallel()
	small, large := clip(t, "a.h264", "30"), clip(t, "b.h264", "30", "-vf", "scale=640:480")
	both := concatenated(t, small, large)
	s := open(t, limited(fast(both)))
	f := newFrame(t)
	count := 0
	var err error
	for ; err == nil; err = s.Next(t.Context(), f) {
		count++
	}
	if reasonOf(err) != ReasonTooLarge && !errors.Is(err, errResized) || count > 31 {
		t.Errorf("%d frames, then %v", count-1, err)
	}
}

func TestStreamsWithTooLargeFramesAreRefused(t *testing.T) {
	t.Parallel()
	handler := &mjpeg{}
	handler.show(t, 640, 480)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c := cameratest.New(t, "640x480", func(size string) []string {
		return []string{"-f", "lavfi", "-i", strings.Replace(grey, "64x48", size, 1)}
	})
	for _, url := range []string{strings.Replace(server.URL, "://", "://joe:sesame@", 1), c.URL} {
		s := open(t, limited(quick(url)))
		eventually(t, "refused", func() bool { return s.Stats().Reason == ReasonTooLarge })
		if s.Stats().Frames > 0 {
			t.Errorf("%s: %+v", url, s.Stats())
		}
	}
}

// If some frames of a stream are too large, only these are lost.
func TestAStreamRecoversFromATooLargeFrame(t *testing.T) {
	t.Parallel()
	handler := &mjpeg{}
	handler.show(t, 64, 48)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s := open(t, limited(quick(strings.Replace(server.URL, "://", "://joe:sesame@", 1))))
	f := newFrame(t)
	next(t, s, f)
	handler.show(t, 640, 480)
	eventually(t, "refused", func() bool { return s.Stats().Reason == ReasonTooLarge })
	handler.show(t, 64, 48)
	eventually(t, "running", func() bool { return s.State() == Running })
	next(t, s, f)
	if f.Mat.Cols() != 64 {
		t.Errorf("%d wide", f.Mat.Cols())
	}
}

// The number of bytes without a frame is limited, whatever a header declares.
func TestBytesWithoutAFrameAreLimited(t *testing.T) {
	t.Parallel()
	piece := strings.Repeat("x", 1<<16)
	flood := func(kind, head string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, err := w.Write([]byte(head))
			for err == nil && r.Context().Err() == nil {
				_, err = w.Write([]byte(piece))
			}
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"a part of 2 GB": flood("multipart/x-mixed-replace; boundary=f", "--f\r\nContent-Type: "+
			"image/jpeg\r\nContent-Length: 2000000000\r\n\r\n"),
		"an endless part": flood("multipart/x-mixed-replace; boundary=f", "--f\r\nContent-Type: image/jpeg\r\n\r\n"),
		"a playlist":      flood("application/vnd.apple.mpegurl", playlistHead),
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(handler)
			t.Cleanup(server.Close)
			before := resident(t)
			cfg := quick(server.URL)
			s, err := Open(cfg, zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "refused", func() bool { return s.State() == Reconnecting })
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if grown := resident(t) - before; grown > 300<<20 {
				t.Errorf("%d MiB more; %s", grown>>20, s.Stats().LastError)
			}
			t.Log(s.Stats().LastError)
		})
	}
}

// resident returns the resident memory of this process, bytes.
func resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, pages int
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// The memory of frames of 6 million pixels is returned to the system when small frames follow. The test does not run in
// parallel with others, because it would measure their memory.
func TestMemoryOfLargeFramesIsReleased(t *testing.T) {
	handler := &mjpeg{}
	small := greyJPEG(t, 64, 48)
	// ffmpeg creates the large image: freeing so large a block in this process would raise the thresholds of malloc.
	large, err := os.ReadFile(clip(t, "a.jpg", "1", "-vf", "scale=3000:2000", "-pix_fmt", "yuvj420p"))
	if err != nil {
		t.Fatal(err)
	}
	handler.image.Store(&small)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	cfg := quick(strings.Replace(server.URL, "://", "://joe:sesame@", 1))
	cfg.ReadTimeout = patience
	s := open(t, cfg)
	f := newFrame(t)
	wide := func(width, frames int) {
		eventually(t, "the other size", func() bool {
			next(t, s, f)
			return f.Mat.Cols() == width
		})
		for range frames { // until every Mat has the new size
			next(t, s, f)
		}
	}
	wide(64, 12)
	before := resident(t)
	handler.image.Store(&large)
	wide(3000, 3)
	peak := resident(t) - before
	handler.image.Store(&small)
	wide(64, 12)
	eventually(t, "memory is released", func() bool { return resident(t)-before < peak/2 })
	if peak < 40<<20 {
		t.Errorf("only %d MiB were used: the large frames are not in memory", peak>>20)
	}
	t.Logf("%d MiB at most, %d MiB later", peak>>20, (resident(t)-before)>>20)
}
