package feedback

const (
	maxStep   = 2.0  // points in an hour
	minStep   = 1.0  // points, except to a bound: smaller moves are not worth an event
	grid      = 0.5  // points between the thresholds that are tried
	maxWidth  = 0.05 // of the interval of a share that may move a threshold
	leastTime = 6.0  // hours over which the reports must be spread, see spread
)

// target is what moves a threshold.
type target struct {
	share    float64 // wanted, of the sent faces that are matched
	min, max float64 // of the threshold
}

// clamp returns the threshold within the bounds.
func (t target) clamp(threshold float64) float64 { return max(t.min, min(t.max, threshold)) }

// next returns the threshold of the next hour. It rises if the share of the present one is too low, and falls if that
// of a lower one is still high enough. It stays where an interval is too wide.
func (t target) next(threshold float64, c curve, faces histogram) float64 {
	if inBounds := t.clamp(threshold); inBounds != threshold {
		return inBounds
	}
	present, ok := c.share(faces, threshold)
	switch {
	case !ok || !narrow(present):
		return threshold
	case present.Value < t.share:
		return t.raised(threshold, c, faces)
	default:
		return t.lowered(threshold, c, faces)
	}
}

func narrow(s Share) bool { return s.High-s.Low < maxWidth }

// raised returns the lowest threshold above the present one whose share is high enough, at most maxStep higher.
func (t target) raised(threshold float64, c curve, faces histogram) float64 {
	for higher := threshold + minStep; higher < threshold+maxStep; higher += grid {
		if s, ok := c.share(faces, higher); ok && s.Value >= t.share {
			return t.clamp(higher)
		}
	}
	return t.clamp(threshold + maxStep)
}

// lowered returns the lowest threshold, at most maxStep below the present one, whose share is high enough.
func (t target) lowered(threshold float64, c curve, faces histogram) float64 {
	for lower := t.clamp(threshold - maxStep); lower <= max(t.min, threshold-minStep); lower += grid {
		if s, ok := c.share(faces, lower); ok && s.Value >= t.share && narrow(s) {
			return lower
		}
	}
	return threshold
}
