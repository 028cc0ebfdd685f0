//go:build matprofile

package capture

import (
	"encoding/binary"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"
)

// No Mat leaks, whatever the source and the way it ends.
func TestNoMatLeaks(t *testing.T) {
	video := clip(t, "a.mp4", "30")
	image := filepath.Join(t.TempDir(), "a.png")
	paint(t, image, 8, 8, 1)
	native := fast(video)
	native.Pace = Native
	loop := fast(video)
	loop.Loop = true
	camera := newCamera(t)
	before := gocv.MatProfile.Count()
	for name, cfg := range map[string]Config{
		"fast": fast(video), "native": native, "loop": loop, "image": fast(image),
		"directory": fast(filepath.Dir(image)), "stream": quick(camera.URL), "unreachable": quick("rtsp://127.0.0.1:1/"),
	} {
		for _, frames := range []int{0, 1, 20} {
			s, err := Open(cfg, zerolog.Nop())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			f := Frame{Mat: gocv.NewMat()}
			for range frames {
				if cfg.URL == image || name == "directory" || name == "unreachable" {
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
		t.Error("opened an empty directory")
	}
	h := newHanging("ok", "ok", "hang")
	s := h.start(t)
	f := Frame{Mat: gocv.NewMat()}
	next(t, s, &f)
	time.Sleep(50 * time.Millisecond)
	_ = s.Close() // the error that a call is blocked
	close(h.release)
	<-h.closed
	_ = f.Mat.Close()
	eventually(t, "all Mats freed", func() bool { return gocv.MatProfile.Count() == before })
}

// No Mat leaks when an image is rotated, damaged or too large.
func TestNoMatLeaksOfImages(t *testing.T) {
	file := encode(t, noise(t, 96, 64), gocv.JPEGFileExt)
	before := gocv.MatProfile.Count()
	m := gocv.NewMat()
	for o := range uint16(9) {
		if err := decodeImage(jpegWith(file, exifOf(binary.BigEndian, o)), 1<<20, &m); err != nil {
			t.Error(err)
		}
	}
	if decodeImage(file[:len(file)/2], 1<<20, &m) == nil || decodeImage(file, 1, &m) == nil {
		t.Error("no error")
	}
	_ = m.Close()
	if got := gocv.MatProfile.Count(); got != before {
		t.Errorf("%d Mats, %d before", got, before)
	}
}
