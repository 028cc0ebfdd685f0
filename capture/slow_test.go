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

// With one frame a second or less, the first frame must not wait for others, and a pause does not count as a loss.
func TestSlowStreams(t *testing.T) {
	t.Parallel()
	for rate, limit := range map[string]time.Duration{"2": 3 * time.Second, "0.5": 8 * time.Second} {
		t.Run(rate, func(t *testing.T) {
			t.Parallel()
			c := newSlowCamera(t, rate)
			cfg := quick(c.URL)
			cfg.ReadTimeout = 300 * time.Millisecond // much less than the pause between two frames
			began := time.Now()
			s := open(t, cfg)
			f := newFrame(t)
			next(t, s, f)
			if took := time.Since(began); took > limit {
				t.Errorf("the first frame came after %v", took)
			}
			next(t, s, f)
			next(t, s, f)
			if got := s.Stats(); got.Reconnects != 0 || got.LastError != "" {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestReadLimit(t *testing.T) {
	now := time.Now()
	at := func(seconds float64) time.Time { return now.Add(time.Duration(seconds * float64(time.Second))) }
	for name, c := range map[string]struct {
		declared time.Duration
		frames   []float64
		want     time.Duration
	}{
		"before the first frame": {0, nil, 10 * time.Second},
		"rate unknown":           {0, []float64{0}, 10 * time.Second},
		"usual":                  {0, []float64{0, 0.04, 0.08}, 5 * time.Second},
		"slow":                   {0, []float64{0, 4, 8}, 12 * time.Second},
		"very slow":              {0, []float64{0, 50, 100}, maxPause},
		"declared slow":          {20 * time.Second, []float64{0}, maxPause},
		"slow long ago":          {0, []float64{0, 4, 4.1, 4.2, 4.3, 4.4, 4.5, 4.6, 4.7, 4.8}, 5 * time.Second},
	} {
		limit := readLimit{opening: 10 * time.Second, reading: 5 * time.Second, declared: c.declared}
		for _, frame := range c.frames {
			limit.add(at(frame))
		}
		if got := limit.next(); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
