package pipeline

import (
	"sync"
	"sync/atomic"
	"time"
)

// Counters count what the pipelines of one camera did. They are safe for concurrent use.
type Counters struct {
	steps, frames, analysed, tracks, judged, sent atomic.Uint64
	stages                                        stageTimes
}

// Stats is a copy of Counters.
type Stats struct {
	Steps    uint64 // of the pipeline's loop, also those without a frame
	Frames   uint64 // taken from the source
	Analysed uint64 // of them, those that the motion gate let through
	Tracks   uint64 // that ended
	Judged   uint64 // faces
	Sent     uint64 // faces that were selected
	Stages   []StageStats
}

// StageStats is the time that a stage of the pipeline took.
type StageStats struct {
	Name  string
	Calls int
	Total time.Duration
}

// Stats returns the present counts, and the stages that ran, in the order of a frame's path.
func (c *Counters) Stats() Stats {
	return Stats{
		Steps: c.steps.Load(), Frames: c.frames.Load(), Analysed: c.analysed.Load(), Tracks: c.tracks.Load(),
		Judged: c.judged.Load(), Sent: c.sent.Load(), Stages: c.stages.stats(),
	}
}

// stage is one step of a frame's path.
type stage int

const (
	stageMotion stage = iota
	stageCut
	stageDetect
	stageFollow
	stageTrack
	stageRefine
	stageAlign
	stageMeasure
	stageScore
	stageSelect
	stageCount
)

func (s stage) String() string {
	return [...]string{"motion gate", "cut", "detect", "follow", "track", "refine", "align", "measure", "score", "select"}[s]
}

// stageTimes adds up the time that each stage took. It is safe for concurrent use.
type stageTimes struct {
	mutex sync.Mutex
	total [stageCount]time.Duration
	calls [stageCount]int
}

func (t *stageTimes) add(s stage, took time.Duration) {
	t.mutex.Lock()
	t.total[s] += took
	t.calls[s]++
	t.mutex.Unlock()
}

func (t *stageTimes) stats() []StageStats {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	var all []StageStats
	for s := range stageCount {
		if t.calls[s] > 0 {
			all = append(all, StageStats{Name: s.String(), Calls: t.calls[s], Total: t.total[s]})
		}
	}
	return all
}

// stageClock measures the stages of a pipeline, for the counters of its camera and for its observers.
type stageClock struct {
	totals    *stageTimes
	camera    string
	observers observers
}

// add records a call of s that took from start until now. It returns now, the start of the next stage.
func (c stageClock) add(s stage, start time.Time) time.Time {
	now := time.Now()
	took := now.Sub(start)
	c.totals.add(s, took)
	c.observers.stage(c.camera, s.String(), took)
	return now
}
