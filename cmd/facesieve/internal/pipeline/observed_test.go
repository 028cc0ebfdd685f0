package pipeline

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
)

// frameCounts counts what an observer receives of frames and stages.
type frameCounts struct {
	NoObserver
	frames map[SkipReason]uint64 // an empty reason: analysed
	stages map[string]StageStats
	t      *testing.T
}

func (c *frameCounts) Frame(f FrameReport) {
	if f.Analysed != (f.Skipped == "") {
		c.t.Errorf("analysed %v, skipped %q", f.Analysed, f.Skipped)
	}
	c.frames[f.Skipped]++
}

func (c *frameCounts) Stage(camera, stage string, took time.Duration) {
	if camera != "hall" {
		c.t.Errorf("camera %q", camera)
	}
	s := c.stages[stage]
	c.stages[stage] = StageStats{Name: stage, Calls: s.Calls + 1, Total: s.Total + took}
}

// Observers receive every frame with the reason why it was skipped, and every stage that is counted.
func TestObserversReceiveFramesAndStages(t *testing.T) {
	camera := config.Default().NewCamera()
	camera.Name, camera.MaxFPS = "hall", 5
	camera.Capture.URL, camera.Capture.Pace = testsupport.SharedVideo(t, "empty_room.mp4"), capture.Fast
	e, err := NewEngine(newTestPool(t), camera.Detect, camera.Quality)
	testsupport.Must(t, err)
	counts := &frameCounts{frames: map[SkipReason]uint64{}, stages: map[string]StageStats{}, t: t}
	p, err := New(camera, e, Options{Sink: &visitSink{}, Observers: []Observer{counts}}, zerolog.Nop())
	testsupport.Must(t, err)
	source, err := OpenSource(camera, zerolog.Nop())
	testsupport.Must(t, err)
	testsupport.Must(t, p.Run(t.Context(), source), source.Close(), p.Close())
	stats := p.Stats()
	captured := source.Stats()
	if counts.frames[""] != stats.Analysed || counts.frames[""]+counts.frames[SkippedByMotion] != stats.Frames ||
		stats.Frames != captured.Delivered() || captured.OverRate == 0 || counts.frames[SkippedByMotion] == 0 {
		t.Errorf("frames %v, counted %+v, captured %+v", counts.frames, stats, captured)
	}
	for _, want := range stats.Stages {
		if got := counts.stages[want.Name]; got != want {
			t.Errorf("stage %+v, counted %+v", got, want)
		}
	}
	if len(counts.stages) != len(stats.Stages) || len(counts.stages) == 0 {
		t.Errorf("%d stages, counted %d", len(counts.stages), len(stats.Stages))
	}
}
