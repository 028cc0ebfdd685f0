package feedback

import "facesieve/models"

const (
	// priorWeight is the number of reports for which the network's own curve counts in each bin, 20 in all.
	priorWeight = 20.0 / bins
	// unstatedPrior is the probability of a match at every score if the manifest has no curve.
	unstatedPrior = 0.8
)

// prior returns the probability of a match at each score that the manifest of a network states. Its curve is the
// false-non-match rate of all faces from a score on; that of the faces in one bin is the difference of two such values.
func prior(m models.Manifest) (p histogram) {
	for i := range p {
		p[i] = unstatedPrior
	}
	if m.Quality == nil || m.Quality.FNMR == nil || len(m.Quality.FNMR.Score) < 2 {
		return p
	}
	curve := m.Quality.FNMR
	misses := func(score float64) (kept, missed float64) { // shares of all faces
		kept = interpolate(curve.Score, curve.Kept, score)
		return kept, kept * interpolate(curve.Score, curve.FNMR, score)
	}
	last := unstatedPrior // where no face is left, that of the last bin with one
	for i := range p {
		kept, missed := misses(float64(i) * binWidth)
		keptAbove, missedAbove := misses(float64(i+1) * binWidth)
		if kept > keptAbove {
			last = 1 - max(0, min(1, (missed-missedAbove)/(kept-keptAbove)))
		}
		p[i] = last
	}
	var even histogram
	even.add(1)
	for _, b := range isotonic(p, even) {
		for i := b.first; i <= b.last; i++ {
			p[i] = b.value
		}
	}
	return p
}

// interpolate returns y at x of a piecewise linear function, which is constant beyond its ends. xs rises.
func interpolate(xs, ys []float64, x float64) float64 {
	for i := 1; i < len(xs); i++ {
		if x <= xs[i] {
			share := max(0, (x-xs[i-1])/(xs[i]-xs[i-1]))
			return ys[i-1] + share*(ys[i]-ys[i-1])
		}
	}
	return ys[len(ys)-1]
}
