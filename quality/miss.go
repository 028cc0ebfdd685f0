package quality

import (
	"image"
	"math"
	"time"
)

// Measures of Miss that are no components.
const (
	MeasureBorderDistance   = "BorderDistance"   // see Gates.EdgeMargin, in per cent
	MeasureLandmarkResidual = "LandmarkResidual" // see Gates.MaxResidual
	MeasureScore            = "Score"            // see Config.Threshold
	MeasureStillTime        = "StillTime"        // how long the face did not move
)

// Units of Miss. A measure of 0..100 has none.
const (
	UnitPixels  = "px"
	UnitDegrees = "deg"
	UnitPercent = "%"
	UnitSeconds = "s"
)

// Miss is a limit that a face misses.
type Miss struct {
	Reason Reason
	// Key is that of the limit, in section quality of the configuration.
	Key string
	// Measure is the name of a component, or one of the constants MeasureBorderDistance and following.
	Measure string
	// Measured and Limit are in Unit. An angle has its sign, and its limit is for both sides. Measured is not finite if it
	// could not be measured.
	Measured, Limit float64
	// Unit is one of the constants UnitPixels and following, or empty.
	Unit string
}

// Finite reports whether the measure was measured.
func (m Miss) Finite() bool { return !math.IsNaN(m.Measured) && !math.IsInf(m.Measured, 0) }

// ScoreMiss returns the miss of a face whose score is below the threshold, both 0..100.
func ScoreMiss(score, threshold float64) Miss {
	return Miss{
		Reason: ReasonLowQuality, Key: "threshold", Measure: MeasureScore, Measured: score, Limit: threshold,
	}
}

// StillMiss returns the miss of a face that did not move for the time still, which is at least limit.
func StillMiss(still, limit time.Duration) Miss {
	return Miss{
		Reason: ReasonStatic, Key: "visit.static", Measure: MeasureStillTime, Measured: still.Seconds(),
		Limit: limit.Seconds(), Unit: UnitSeconds,
	}
}

// Misses returns the limits that a face misses, in the order in which Check applies them; nil: none. The arguments are
// those of Check.
func (g Gates) Misses(frame image.Point, box [4]float32, face Assessment) []Miss {
	var misses []Miss
	for _, gate := range g.apply(frame, box, face) {
		if gate.missed() {
			misses = append(misses, gate.miss())
		}
	}
	return misses
}

// CoarseMisses returns the limits of g that a face misses by so much that g.Coarse rejects it.
func (g Gates) CoarseMisses(frame image.Point, box [4]float32, face Assessment) []Miss {
	var misses []Miss
	gates := g.apply(frame, box, face)
	for i, coarse := range g.Coarse().apply(frame, box, face) {
		if coarse.missed() {
			misses = append(misses, gates[i].miss())
		}
	}
	return misses
}
