package detect

import (
	"math"
	"math/rand/v2"
	"testing"
)

// total returns the cost of an assignment; infinity if a column is used twice.
func total(cost [][]float64, columns []int, miss float64) float64 {
	sum, used := 0.0, map[int]bool{}
	for i, j := range columns {
		switch {
		case j < 0:
			sum += miss
		case used[j]:
			return math.Inf(1)
		default:
			used[j] = true
			sum += cost[i][j]
		}
	}
	return sum
}

// best returns the minimum cost of all assignments.
func best(cost [][]float64, columns []int, miss float64) float64 {
	if len(columns) == len(cost) {
		return total(cost, columns, miss)
	}
	least := math.Inf(1)
	for j := -1; j < len(cost[0]); j++ {
		least = min(least, best(cost, append(columns[:len(columns):len(columns)], j), miss))
	}
	return least
}

func TestAssign(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 500 {
		rows, cols := 1+random.IntN(5), random.IntN(5)
		cost := make([][]float64, rows)
		for i := range cost {
			cost[i] = make([]float64, cols)
			for j := range cost[i] {
				cost[i][j] = 20*random.Float64() - 5
				if random.Float64() < 0.3 {
					cost[i][j] = math.Inf(1)
				}
			}
		}
		const miss = 8
		columns := assign(cost, miss)
		if got, want := total(cost, columns, miss), best(cost, nil, miss); math.Abs(got-want) > 1e-6 {
			t.Fatalf("%v: %v costs %g, the best %g", cost, columns, got, want)
		}
	}
	if assign(nil, 1) != nil {
		t.Error("something of nothing")
	}
}
