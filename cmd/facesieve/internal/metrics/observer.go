package metrics

import (
	"time"

	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/quality"
)

// update calls f with a camera, and keeps other calls out meanwhile.
func (m *Metrics) update(name string, f func(*camera)) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	f(m.camera(name))
}

// camera returns a camera, which is added if it is not known. The caller holds mutex.
func (m *Metrics) camera(name string) *camera {
	c := m.cameras[name]
	if c == nil {
		c = newCamera(name)
		m.cameras[name] = c
	}
	return c
}

// Frame counts a frame that was not analysed.
func (m *Metrics) Frame(f pipeline.FrameReport) {
	m.update(f.Camera, func(c *camera) {
		c.lastFrame = time.Now()
		if f.Skipped != "" {
			c.skipped[f.Skipped]++
		}
	})
}

// Judged records the score of a face. One that a gate rules out is left out, also if the gallery has it scored.
func (m *Metrics) Judged(c *pipeline.Candidate, _ gocv.Mat, _ quality.Reason) {
	if !c.Judgement.Scored || c.Judgement.Reason != "" {
		return
	}
	m.update(c.Camera, func(to *camera) { to.score.Observe(c.Judgement.Score.Value) })
}

// Moved does nothing: visits are counted when they are decided.
func (m *Metrics) Moved(string, quality.Move) {}

// Decided counts a sent face, or a visit without one.
func (m *Metrics) Decided(d pipeline.Decision) {
	m.update(d.Face.Camera, func(c *camera) { c.decided(d) })
}

// Stage records the time of a stage.
func (m *Metrics) Stage(name, stage string, took time.Duration) {
	m.update(name, func(c *camera) { c.stage(stage).Observe(took.Seconds()) })
}
