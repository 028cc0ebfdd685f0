package metrics

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/quality"
)

// camera holds the counts of one camera. Metrics.mutex guards it; the histograms are safe for concurrent use.
type camera struct {
	name      string
	lastFrame time.Time // when a pipeline took one; zero: never
	skipped   map[pipeline.SkipReason]uint64
	sent      uint64 // faces
	decisions visits
	score     prometheus.Histogram
	stages    map[string]prometheus.Histogram // by name
	source    source
}

func newCamera(name string) *camera {
	return &camera{
		name:      name,
		skipped:   map[pipeline.SkipReason]uint64{pipeline.SkippedByMotion: 0},
		decisions: newVisits(),
		score: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "facesieve_face_score", Help: "Scores, 0 to 100, of the faces that pass the gates and were scored.",
			ConstLabels: prometheus.Labels{cameraLabel: name}, Buckets: prometheus.LinearBuckets(5, 5, 20),
		}),
		stages: map[string]prometheus.Histogram{},
	}
}

// stage returns the histogram of a stage.
func (c *camera) stage(name string) prometheus.Histogram {
	h := c.stages[name]
	if h == nil {
		h = prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "facesieve_stage_seconds", Help: "Time of a call of a stage of the pipeline.",
			ConstLabels: prometheus.Labels{cameraLabel: c.name, "stage": strings.ReplaceAll(name, " ", "_")},
			Buckets:     []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1},
		})
		c.stages[name] = h
	}
	return h
}

func (c *camera) decided(d pipeline.Decision) {
	if d.Send {
		c.sent++
	}
	c.decisions.add(d.Visit.ID, d.Send, d.Reason)
}

// rememberedVisits is the number of visits of a camera whose result is remembered, so that a visit with several
// decisions counts once.
const rememberedVisits = 256

// visits counts visits by the first of their decisions of each kind.
type visits struct {
	all, sent uint64
	rejected  map[quality.Reason]uint64
	results   map[string]result // by ID
	order     []string          // the IDs in results, the oldest first
}

// result is what was counted of a visit.
type result struct{ sent, rejected bool }

func newVisits() visits {
	v := visits{rejected: map[quality.Reason]uint64{}, results: map[string]result{}}
	for _, reason := range []quality.Reason{
		quality.ReasonEdge, quality.ReasonTooSmall, quality.ReasonPose, quality.ReasonTooBlurred,
		quality.ReasonLowQuality, quality.ReasonStatic,
	} {
		v.rejected[reason] = 0 // a series that begins at 0 shows its first increase
	}
	return v
}

// add counts a decision. A visit of which a face was sent is never counted as rejected after that; a rejected one that
// continues and is sent then counts as both.
func (v *visits) add(id string, send bool, reason quality.Reason) {
	before, known := v.results[id]
	if !known {
		v.all++
		if v.order = append(v.order, id); len(v.order) > rememberedVisits {
			delete(v.results, v.order[0])
			v.order = v.order[1:]
		}
	}
	switch {
	case send && !before.sent:
		v.sent++
		before.sent = true
	case !send && !before.sent && !before.rejected:
		v.rejected[reason]++
		before.rejected = true
	}
	v.results[id] = before
}

// source adds up the counts of the workers of one camera.
type source struct {
	worker  uint64        // whose counts are in present
	former  capture.Stats // counts of the workers before
	present capture.Stats
}

// update takes over the counts of a worker. What a replaced worker counted after its last update is not counted.
func (s *source) update(worker uint64, now capture.Stats) {
	if s.worker != worker {
		s.former = s.total()
	}
	s.worker, s.present = worker, now
}

// total returns the counts of all workers. The other fields are zero.
func (s *source) total() capture.Stats {
	a, b := s.former, s.present
	return capture.Stats{
		Frames: a.Frames + b.Frames, Dropped: a.Dropped + b.Dropped, Stale: a.Stale + b.Stale,
		OverRate: a.OverRate + b.OverRate, Idle: a.Idle + b.Idle,
		Skipped: a.Skipped + b.Skipped, Reconnects: a.Reconnects + b.Reconnects, Decoding: a.Decoding + b.Decoding,
	}
}
