package pipeline

import (
	"time"

	"gocv.io/x/gocv"

	"facesieve/detect"
	"facesieve/quality"
)

// Observer receives what a pipeline does, for a page, a metric or a recording. The pipeline's goroutine calls its
// methods, so they must return quickly. They must not change what they receive, and must not keep a Mat after they
// return. An observer of several cameras must be safe for concurrent use. Embed NoObserver for the methods that an
// observer does not need.
type Observer interface {
	// Frame reports a frame that was taken from the source, after its faces were judged and decided.
	Frame(f FrameReport)
	// Judged reports a face of an analysed frame. Aligned is the aligned face, 112x112 BGR, if c is scored. Reason is
	// why the face cannot be sent, or empty.
	Judged(c *Candidate, aligned gocv.Mat, reason quality.Reason)
	// Moved reports that faces of a track that were judged before belong to another visit than their candidates state.
	Moved(camera string, m quality.Move)
	// Decided reports the decision about a visit, before the sink receives it.
	Decided(d Decision)
	// Stage reports the time that one call of a stage took, by its name in StageStats.
	Stage(camera, stage string, took time.Duration)
}

// FrameReport describes a frame.
type FrameReport struct {
	Camera   string
	Time     time.Time
	Image    gocv.Mat       // 8-bit BGR, as the source delivers it
	Analysed bool           // false: the motion gate skipped it
	Skipped  SkipReason     // why it was not analysed; empty: it was
	Tracks   []detect.Track // with a face in this frame
}

// SkipReason is why a frame that the source delivered was not analysed.
type SkipReason string

// The reasons why a frame is not analysed.
const (
	SkippedByMotion SkipReason = "motion" // nothing moved, and nobody is in sight
)

// Decision is the decision about a face: it is sent, or its visit ends without a face that can be sent.
type Decision = quality.Decision[*Candidate]

// NoObserver is an Observer that does nothing.
type NoObserver struct{}

// Frame does nothing.
func (NoObserver) Frame(FrameReport) {}

// Judged does nothing.
func (NoObserver) Judged(*Candidate, gocv.Mat, quality.Reason) {}

// Moved does nothing.
func (NoObserver) Moved(string, quality.Move) {}

// Decided does nothing.
func (NoObserver) Decided(Decision) {}

// Stage does nothing.
func (NoObserver) Stage(string, string, time.Duration) {}

// observers calls several observers.
type observers []Observer

func (all observers) frame(f FrameReport) {
	for _, o := range all {
		o.Frame(f)
	}
}

func (all observers) judged(c *Candidate, aligned gocv.Mat, reason quality.Reason) {
	for _, o := range all {
		o.Judged(c, aligned, reason)
	}
}

func (all observers) moved(camera string, m quality.Move) {
	for _, o := range all {
		o.Moved(camera, m)
	}
}

func (all observers) decided(d Decision) {
	for _, o := range all {
		o.Decided(d)
	}
}

func (all observers) stage(camera, stage string, took time.Duration) {
	for _, o := range all {
		o.Stage(camera, stage, took)
	}
}
