package quality

import (
	"math"
	"slices"
	"sort"

	"facesieve/models"
)

// head turns one output of the network, logits in int8, into the value of its label.
type head struct {
	output int
	bins   []float64
	weight float64
	exp    [256]float64 // of a logit that is i steps below the largest
}

// newHead returns the head of a label whose output has that scale. Softmax does not see the zero point.
func newHead(label models.Label, scale float64) head {
	h := head{output: label.Output, bins: slices.Clone(label.Bins), weight: label.Weight}
	for i := range h.exp {
		h.exp[i] = math.Exp(-scale * float64(i))
	}
	return h
}

// expectation returns the mean of the bins under the softmax of logits, one for each bin.
func (h *head) expectation(logits []int8) float64 {
	top := int(slices.Max(logits))
	var sum, weighted float64
	for i, logit := range logits {
		weight := h.exp[top-int(logit)]
		sum += weight
		weighted += weight * h.bins[i]
	}
	return weighted / sum
}

// curve is piecewise linear and constant beyond its ends; x increases strictly.
type curve struct{ x, y []float64 }

func (c curve) at(x float64) float64 {
	i := sort.SearchFloat64s(c.x, x)
	switch {
	case i == 0:
		return c.y[0]
	case i == len(c.x):
		return c.y[i-1]
	}
	share := (x - c.x[i-1]) / (c.x[i] - c.x[i-1])
	return c.y[i-1] + share*(c.y[i]-c.y[i-1])
}
