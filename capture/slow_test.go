package capture

import (
	"strings"
	"testing"
	"time"

	"facesieve/capture/cameratest"
)

func newSlowCamera(t *testing.T, rate string) *cameratest.Camera {
	t.Helper()
	return cameratest.New(t, "64x48", func(size string) []string {
		source := strings.NewReplacer("64x48", size, "rate=25", "rate="+rate).Replace(grey)
		return []string{"-f", "lavfi", "-i", source, "-force_key_frames", "expr:1"}
	})
}

// At one frame a second or less, the first frame is not delayed, and a pause between frames is not a loss.
func TestSlowStreams(t *testing.T) {
	t.Parallel()
	const fresh = 3 // frames that may have been sent since
	for _, rate := range []string{"1", "0.5"} {
		t.Run(rate, func(t *testing.T) {
			t.Parallel()
			c := newSlowCamera(t, rate)
			cfg := quick(c.URL)
			cfg.ReadTimeout = 300 * time.Millisecond // much less than the pause between two frames
			s := open(t, cfg)
			f := newFrame(t)
			next(t, s, f)
			if got := lag(c, f); got > fresh {
				t.Errorf("the first frame was sent %d frames ago", got)
			}
			next(t, s, f)
			next(t, s, f)
			if got := s.Stats(); got.Reconnects != 0 || got.LastError != "" {
				t.Errorf("%+v", got)
			}
		})
	}
}
