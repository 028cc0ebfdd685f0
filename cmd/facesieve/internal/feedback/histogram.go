// Package feedback learns, from what recognisers report about the faces that were sent, how probable a match is at each
// score, and moves a threshold that is auto so that a wanted share of the sent faces is matched.
//
// The reports of each camera and recogniser are counted by score, in bins, and lose their weight with a half-life of two
// weeks. No face, embedding or identity is stored.
package feedback

import (
	"math"
	"time"
)

const (
	bins     = 50                  // of the scores 0..100
	binWidth = 2.0                 // points
	halfLife = 14 * 24 * time.Hour // of the weight of a report
)

// histogram has a value for each bin of scores.
type histogram [bins]float64

// binOf returns the bin of a score.
func binOf(score float64) int { return max(0, min(bins-1, int(score/binWidth))) }

// scale multiplies all values.
func (h *histogram) scale(factor float64) {
	for i := range h {
		h[i] *= factor
	}
}

// add adds v to all values.
func (h *histogram) add(v float64) {
	for i := range h {
		h[i] += v
	}
}

// above returns what part of each value belongs to scores from threshold on. The scores of a bin count as evenly
// distributed.
func (h *histogram) above(threshold float64) (part histogram) {
	for i, v := range h {
		low := float64(i) * binWidth
		part[i] = v * max(0, min(1, (low+binWidth-threshold)/binWidth))
	}
	return part
}

func (h *histogram) sum() (sum float64) {
	for _, v := range h {
		sum += v
	}
	return sum
}

// decay returns the factor by which a weight falls in a time.
func decay(elapsed time.Duration) float64 {
	return math.Exp2(-max(0, elapsed.Hours()) / halfLife.Hours())
}
