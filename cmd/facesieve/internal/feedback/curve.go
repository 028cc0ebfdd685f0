package feedback

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// confidence is that of all intervals.
const confidence = 0.95

// Point is the probability of a match at a score, with its interval (95 %).
type Point struct {
	Score       float64 `json:"score"` // centre of the bin, 0..100
	Probability float64 `json:"probability"`
	Low         float64 `json:"low"`
	High        float64 `json:"high"`
	// Reports is the weight of the reports in the bin; those of two weeks ago count half.
	Reports float64 `json:"reports"`
}

// curve is the probability of a match by score, which never falls: the isotonic regression of the means of a Beta
// distribution in each bin. The prior of each bin is the network's own curve with priorWeight reports.
type curve struct {
	blocks   []block
	variance []float64 // of each block
	reports  histogram
}

// newCurve estimates a curve from the weights of the matches and of all other reports.
func newCurve(priors, matches, others histogram) curve {
	var means, weights, reports histogram
	for i := range means {
		reports[i] = matches[i] + others[i]
		weights[i] = reports[i] + priorWeight
		means[i] = (matches[i] + priorWeight*priors[i]) / weights[i]
	}
	c := curve{blocks: isotonic(means, weights), reports: reports}
	for _, b := range c.blocks {
		c.variance = append(c.variance, b.value*(1-b.value)/(b.weight+1))
	}
	return c
}

// points returns the curve bin by bin. Because the curve never falls, the lower end of an interval is at least that of
// each lower score, and the upper end at most that of each higher one.
func (c curve) points() []Point {
	points := make([]Point, 0, bins)
	for _, b := range c.blocks {
		low, high := betaInterval(b.value*b.weight, (1-b.value)*b.weight)
		low, high = min(low, b.value), max(high, b.value) // a quantile of few reports can be beyond the mean
		for i := b.first; i <= b.last; i++ {
			points = append(points, Point{
				Score: (float64(i) + 0.5) * binWidth, Probability: b.value, Low: low, High: high, Reports: c.reports[i],
			})
		}
	}
	for i := 1; i < bins; i++ {
		points[i].Low = max(points[i].Low, points[i-1].Low)
	}
	for i := bins - 2; i >= 0; i-- {
		points[i].High = min(points[i].High, points[i+1].High)
	}
	return points
}

// betaInterval returns the central interval of a Beta distribution.
func betaInterval(a, b float64) (low, high float64) {
	if a <= 0 {
		return 0, 1 - math.Pow((1-confidence)/2, 1/max(b, 1e-9))
	}
	if b <= 0 {
		return math.Pow((1-confidence)/2, 1/a), 1
	}
	return mathext.InvRegIncBeta(a, b, (1-confidence)/2), mathext.InvRegIncBeta(a, b, (1+confidence)/2)
}

// Share is the share of the sent faces that are matched, with its interval (95 %).
type Share struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// share returns the share of the faces from threshold on that are matched. Faces are the weights by score of those that
// would be sent without a threshold. It is false if none reaches the threshold.
func (c curve) share(faces histogram, threshold float64) (Share, bool) {
	sent := faces.above(threshold)
	sum := sent.sum()
	if sum <= 0 {
		return Share{}, false
	}
	var value, variance float64
	for k, b := range c.blocks {
		var weight float64
		for i := b.first; i <= b.last; i++ {
			weight += sent[i]
		}
		weight /= sum
		value += weight * b.value
		variance += weight * weight * c.variance[k]
	}
	deviation := 1.96 * math.Sqrt(variance)
	return Share{Value: value, Low: max(0, value-deviation), High: min(1, value+deviation)}, true
}
