package feedback

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The regression equals the min-max formula (Barlow et al. 1972), which is computed without pooling.
func TestIsotonicEqualsMinMaxFormula(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a fixed sequence
	for range 200 {
		var values, weights histogram
		for i := range values {
			values[i] = float64(random.IntN(8)) / 8 // with many equal ones
			weights[i] = 0.1 + 10*random.Float64()
		}
		next := 0
		for _, b := range isotonic(values, weights) {
			if b.first != next {
				t.Fatalf("a block begins at %d, not %d", b.first, next)
			}
			next = b.last + 1
			for i := b.first; i <= b.last; i++ {
				if want := minMax(values, weights, i); math.Abs(b.value-want) > 1e-9 {
					t.Fatalf("bin %d: %v, not %v", i, b.value, want)
				}
			}
		}
		if next != bins {
			t.Fatalf("the blocks end at %d", next)
		}
	}
}

// minMax is the greatest, over all beginnings up to i, of the least, over all ends from i, of the mean of that range.
func minMax(values, weights histogram, i int) float64 {
	greatest := math.Inf(-1)
	for first := 0; first <= i; first++ {
		least := math.Inf(1)
		for last := i; last < bins; last++ {
			var sum, weight float64
			for k := first; k <= last; k++ {
				sum, weight = sum+values[k]*weights[k], weight+weights[k]
			}
			least = min(least, sum/weight)
		}
		greatest = max(greatest, least)
	}
	return greatest
}
