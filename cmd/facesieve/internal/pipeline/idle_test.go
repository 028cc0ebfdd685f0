package pipeline

import (
	"testing"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
)

// A pipeline is idle when nothing has moved for ten seconds, until something moves, and never without the motion gate.
func TestAPipelineIsIdleWithoutMotion(t *testing.T) {
	for _, gate := range []bool{true, false} {
		camera := config.Default().NewCamera()
		camera.Detect.Motion.Enabled = gate
		e, err := NewEngine(newTestPool(t), camera.Detect, camera.Quality)
		testsupport.Must(t, err)
		p, err := New(camera, e, Options{Sink: &visitSink{}}, zerolog.Nop())
		testsupport.Must(t, err)
		mat := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(90, 90, 90, 0), 180, 320, gocv.MatTypeCV8UC3)
		start := time.Now()
		process := func(second int) bool {
			frame := capture.Frame{Mat: mat, Time: start.Add(time.Duration(second) * time.Second)}
			testsupport.Must(t, p.processFrame(t.Context(), &frame))
			return p.idle()
		}
		for second := range 15 {
			if got := process(second); got != (gate && second >= 10) {
				t.Errorf("gate %v: idle after %d s: %v", gate, second, got)
			}
		}
		mat.SetTo(gocv.NewScalar(160, 160, 160, 0))
		if process(15) {
			t.Errorf("gate %v: idle with motion", gate)
		}
		testsupport.Must(t, mat.Close(), p.Close())
	}
}
