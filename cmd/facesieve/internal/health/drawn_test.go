package health

import (
	"image"
	"image/color"
	"math/rand/v2"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish/event"
)

// noon is when the drawn cameras begin.
func noon() time.Time { return time.Date(2026, 3, 2, 12, 5, 0, 0, time.Local) }

// drawScene returns a frame of 320x192 with bright and dark things on a grey wall. The caller closes it.
func drawScene(t *testing.T, seed uint64) gocv.Mat {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	frame := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(120, 110, 100, 0), 192, 320, gocv.MatTypeCV8UC3)
	level := func() uint8 { return uint8(random.IntN(220) + 20) }
	for range 90 {
		x, y := random.IntN(320), random.IntN(192)
		thing := image.Rect(x, y, x+4+random.IntN(40), y+4+random.IntN(30))
		testsupport.Must(t, gocv.Rectangle(&frame, thing, color.RGBA{R: level(), G: level(), B: level()}, -1))
	}
	noise(&frame, 2)
	return frame
}

// sceneWindow returns a window of a drawn scene with a fault.
func sceneWindow(t *testing.T, seed uint64, apply func(f *gocv.Mat, scale float64)) window {
	t.Helper()
	frame := drawScene(t, seed)
	defer frame.Close()
	apply(&frame, 0.25)
	var pictures []picture
	for second := range windowSize {
		p, err := newPicture(time.Unix(int64(second), 0), frame)
		testsupport.Must(t, err)
		pictures = append(pictures, p)
	}
	sharp := make([][cellCount]float32, windowSize)
	for i := range sharp {
		sharp[i] = pictures[i].sharpness(pictures[0])
	}
	w := newWindow(pictures, sharp)
	w.length = windowSize * time.Second
	return w
}

func asItIs(*gocv.Mat, float64) {}

// player passes windows to a monitor, with the time that they would take.
type player struct {
	monitor *monitor
	now     time.Time
	reasons map[string]time.Duration // when each was reported first, since the start of the last play
}

func newPlayer() *player { return &player{monitor: newMonitor(), now: noon()} }

func (p *player) play(t *testing.T, length time.Duration, windows ...window) {
	t.Helper()
	p.reasons = map[string]time.Duration{}
	start := p.now
	for i := 0; p.now.Sub(start) < length; i++ {
		w := windows[i%len(windows)]
		p.now = p.now.Add(w.length)
		w.at = p.now
		testsupport.Must(t, p.monitor.check(&w))
		if h := p.monitor.health; h.State == event.HealthDegraded {
			if _, seen := p.reasons[h.Reason]; !seen {
				p.reasons[h.Reason] = p.now.Sub(start)
			}
		}
	}
}

// only reports whether a reason, and no other, was reported after this time; an empty one: none was.
func (p *player) only(reason string, after time.Duration) bool {
	if reason == "" {
		return len(p.reasons) == 0
	}
	return len(p.reasons) == 1 && p.reasons[reason] == after
}
