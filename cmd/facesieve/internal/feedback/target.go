package feedback

import (
	"iter"
	"math"
)

const (
	maxStep   = 2.0  // points in an hour
	minStep   = 1.0  // points, except to a bound: smaller moves are not worth an event
	grid      = 0.5  // points between the thresholds that are compared
	maxWidth  = 0.05 // of the interval of a share that may move a threshold
	leastTime = 6.0  // hours over which the reports must be spread, see spread
	// leastGain is the rise of the share that is worth a higher threshold if the wanted share cannot be reached.
	leastGain = 0.01
)

// target is what moves a threshold.
type target struct {
	share    float64 // wanted, of the sent faces that are matched
	min, max float64 // of the threshold
}

// clamp returns the threshold within the bounds.
func (t target) clamp(threshold float64) float64 { return max(t.min, min(t.max, threshold)) }

// next returns the threshold of the next hour, at most maxStep from the present one unless the bounds are others.
func (t target) next(threshold float64, c curve, faces histogram) float64 {
	if inBounds := t.clamp(threshold); inBounds != threshold {
		return inBounds
	}
	goal, ok := t.goal(threshold, c, faces)
	if !ok || math.Abs(goal-threshold) < minStep && goal != t.min && goal != t.max {
		return threshold
	}
	return threshold + max(-maxStep, min(maxStep, goal-threshold))
}

// goal returns the lowest threshold from which on the wanted share of the faces is matched. It is false if the reports
// are too few: if the interval of the share is wide from every threshold on.
//
// A lower threshold than the present one needs a narrow interval. A higher one needs it there or farther up, because the
// interval is the narrower, the nearer the share is to 1: otherwise a camera with few reports would get a threshold that
// is too high, and then too few reports to leave it. If no narrow interval reaches the wanted share, the goal is the
// lowest threshold that comes near the best, but not below the present one.
func (t target) goal(threshold float64, c curve, faces histogram) (float64, bool) {
	best, shares := -1.0, map[float64]Share{}
	for candidate := range t.candidates() {
		if s, ok := c.share(faces, candidate); ok {
			shares[candidate] = s
			if narrow(s) {
				best = max(best, s.Value)
			}
		}
	}
	for candidate := range t.candidates() {
		s, ok := shares[candidate]
		switch {
		case !ok || !narrow(s) && (candidate <= threshold || best < t.share):
		case s.Value >= t.share, s.Value >= best-leastGain && best < t.share && candidate >= threshold:
			return candidate, true
		}
	}
	return threshold, best >= 0
}

// candidates are the thresholds between the bounds, in rising order.
func (t target) candidates() iter.Seq[float64] {
	return func(yield func(float64) bool) {
		for candidate := t.min; candidate < t.max; candidate += grid {
			if !yield(candidate) {
				return
			}
		}
		yield(t.max)
	}
}

func narrow(s Share) bool { return s.High-s.Low < maxWidth }
