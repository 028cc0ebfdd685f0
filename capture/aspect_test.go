package capture

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"facesieve/capture/cameratest"
)

// Frames are stretched until their pixels are square. Otherwise people in the 704x480 or 960x1080 of a recorder look
// squeezed.
func TestPixelsBecomeSquare(t *testing.T) {
	t.Parallel()
	var log logBuffer
	for name, c := range map[string]struct {
		sample        string // pixel aspect of a 64x48 frame, as an option of ffmpeg
		aspect        string
		maxPixels     int64
		width, height int
		want          string
	}{
		"square":             {"1", "", 0, 64, 48, ""},
		"unknown":            {"0", "", 0, 64, 48, ""},
		"wide":               {"2/1", "", 0, 128, 48, "not square; the frames are stretched"},
		"narrow":             {"1/2", "", 0, 64, 96, "not square; the frames are stretched"},
		"PAL":                {"16/11", "", 0, 93, 48, "not square"},
		"almost square":      {"200/199", "", 0, 64, 48, ""},
		"implausible":        {"1000/1", "", 0, 64, 48, "not plausible and ignored"},
		"too narrow":         {"1/1000", "", 0, 64, 48, "not plausible and ignored"},
		"configured":         {"1", "16:9", 0, 85, 48, "not square"},
		"against the stream": {"2/1", "4:3", 0, 64, 48, ""},
		"upright":            {"1", "3:4", 0, 64, 85, "not square"},
		"too large":          {"2/1", "", 76800, 320, 240, "larger than max_pixels, so they are analysed as they are"},
	} {
		t.Run(name, func(t *testing.T) {
			size := ""
			if c.maxPixels > 0 {
				size = "scale=320:240,"
			}
			cfg := fast(clip(t, "a.mkv", "3", "-vf", size+"setsar="+c.sample, "-c:v", "libx264"))
			cfg.Aspect = c.aspect
			if c.maxPixels > 0 {
				cfg.MaxPixels = c.maxPixels
			}
			log = logBuffer{}
			s, err := Open(cfg, zerolog.New(&log))
			if err != nil {
				t.Fatal(err)
			}
			sizes := all(t, s, func(f Frame) [2]int { return [2]int{f.Mat.Cols(), f.Mat.Rows()} })
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if len(sizes) != 3 || sizes[2] != [2]int{c.width, c.height} {
				t.Errorf("%v, want %dx%d", sizes, c.width, c.height)
			}
			logged := strings.Count(log.String(), `"pixel_aspect"`)
			if !strings.Contains(log.String(), c.want) || logged > 1 || (logged == 1) != (c.want != "") {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

// The rotation applies to the stretched frame.
func TestStretchedFramesAreRotated(t *testing.T) {
	plain := clip(t, "plain.mp4", "3", "-vf", "setsar=2", "-c:v", "libx264")
	turned := filepath.Join(t.TempDir(), "turned.mp4")
	run(t, cameratest.FFmpeg(t), "-v", "error", "-i", plain, "-c", "copy", "-metadata:s:v:0", "rotate=90", turned)
	s := open(t, fast(turned))
	f := newFrame(t)
	next(t, s, f)
	if f.Mat.Cols() != 48 || f.Mat.Rows() != 128 {
		t.Errorf("%dx%d, want 48x128", f.Mat.Cols(), f.Mat.Rows())
	}
}

func TestStreamsDeclareTheirPixels(t *testing.T) {
	t.Parallel()
	c := cameratest.New(t, "64x48", func(size string) []string {
		return []string{"-f", "lavfi", "-i", strings.Replace(grey, "64x48", size, 1), "-vf", "setsar=2"}
	})
	s := open(t, quick(c.URL))
	f := newFrame(t)
	next(t, s, f)
	if f.Mat.Cols() != 128 || f.Mat.Rows() != 48 {
		t.Errorf("%dx%d, want 128x48", f.Mat.Cols(), f.Mat.Rows())
	}
}
