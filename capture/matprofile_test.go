//go:build matprofile

package capture

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"
)

// Nothing leaks, however a source ends.
func TestNoMatLeaks(t *testing.T) {
	video := clip(t, "a.mp4", "30")
	picture := filepath.Join(t.TempDir(), "a.png")
	paint(t, picture, 8, 8, 1)
	native := fast(video)
	native.Pace = Native
	loop := fast(video)
	loop.Loop = true
	camera := newCamera(t)
	before := gocv.MatProfile.Count()
	for name, cfg := range map[string]Config{
		"fast": fast(video), "native": native, "loop": loop, "picture": fast(picture),
		"folder": fast(filepath.Dir(picture)), "stream": quick(camera.URL), "nobody": quick("rtsp://127.0.0.1:1/"),
	} {
		for _, frames := range []int{0, 1, 20} {
			s, err := Open(cfg, zerolog.Nop())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			f := Frame{Mat: gocv.NewMat()}
			for range frames {
				if cfg.URL == picture || name == "folder" || name == "nobody" {
					break
				}
				next(t, s, &f)
			}
			if name == "stream" && frames == 20 {
				camera.Down()
				eventually(t, "lost", func() bool { return s.State() == Reconnecting })
				camera.Up()
				next(t, s, &f)
			}
			if err := s.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			_ = f.Mat.Close()
			if got := gocv.MatProfile.Count(); got != before {
				t.Fatalf("%s after %d frames: %d Mats, %d before", name, frames, got, before)
			}
		}
	}
	if _, err := Open(fast("/dev/null"), zerolog.Nop()); err == nil {
		t.Error("opened /dev/null")
	}
	if _, err := Open(fast(filepath.Join(t.TempDir())), zerolog.Nop()); err == nil {
		t.Error("opened an empty folder")
	}
	h := newHanging("ok", "ok", "hang")
	s := h.start(t)
	f := Frame{Mat: gocv.NewMat()}
	next(t, s, &f)
	time.Sleep(50 * time.Millisecond)
	_ = s.Close() // says that a call is out
	close(h.letGo)
	<-h.closed
	_ = f.Mat.Close()
	eventually(t, "all Mats freed", func() bool { return gocv.MatProfile.Count() == before })
}
