package feedback

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// mostRecognisers is the number of recognisers of a camera with a curve of their own; the one with the fewest reports
// gives way.
const mostRecognisers = 4

// camera is what was learned about one camera.
type camera struct {
	faces       histogram // weights of the faces that would be sent without a threshold
	recognisers map[string]*counts
	ledger      *ledger

	target    *target // nil: the threshold is not auto
	threshold float64 // in force, if it is auto
	moved     time.Time
}

func newCamera() *camera {
	return &camera{recognisers: map[string]*counts{}, ledger: newLedger(nil)}
}

// countsOf returns the counts of a recogniser.
func (c *camera) countsOf(recogniser string) *counts {
	if c.recognisers[recogniser] == nil {
		if len(c.recognisers) == mostRecognisers {
			delete(c.recognisers, slices.MinFunc(slices.Sorted(maps.Keys(c.recognisers)), c.byReports))
		}
		c.recognisers[recogniser] = &counts{}
	}
	return c.recognisers[recogniser]
}

func (c *camera) byReports(a, b string) int {
	return cmp.Compare(c.recognisers[a].reports(), c.recognisers[b].reports())
}

// leading returns the recogniser with the most reports, which moves the threshold. It is false if none has reported.
func (c *camera) leading() (name string, counted *counts, ok bool) {
	if len(c.recognisers) == 0 {
		return "", nil, false
	}
	name = slices.MaxFunc(slices.Sorted(maps.Keys(c.recognisers)), c.byReports)
	return name, c.recognisers[name], true
}

// endHour reduces the weights, and returns whether the threshold moves.
func (c *camera) endHour(elapsed time.Duration, now time.Time, priors histogram) bool {
	c.faces.scale(decay(elapsed))
	for _, counted := range c.recognisers {
		counted.endHour(elapsed)
	}
	c.ledger.expire(now)
	_, counted, ok := c.leading()
	if !ok || c.target == nil || counted.spread() < leastTime || now.Sub(c.moved) < time.Hour {
		return false
	}
	next := c.target.next(c.threshold, newCurve(priors, counted.matches, counted.others), c.faces)
	if next == c.threshold {
		return false
	}
	c.threshold, c.moved = next, now
	return true
}
