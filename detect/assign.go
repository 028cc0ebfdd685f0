package detect

import "math"

// never is the cost of a forbidden pair: far above any sum of costs, and low enough for exact arithmetic.
const never = 1e9

// assign pairs rows with columns. It minimises the sum of the costs of the pairs, plus miss for each row without one.
// It returns the column of each row, -1 for none. cost is rectangular, row by row; infinity forbids a pair.
func assign(cost [][]float64, miss float64) []int {
	if len(cost) == 0 {
		return nil
	}
	rows, cols := len(cost), len(cost[0])
	h := newHungarian(cost, miss)
	for i := 1; i <= rows; i++ {
		h.add(i)
	}
	result := make([]int, rows)
	for i := range result {
		result[i] = -1
	}
	for j := 1; j <= cols; j++ {
		if i := h.owner[j]; i > 0 && cost[i-1][j-1] < never {
			result[i-1] = j - 1
		}
	}
	return result
}

// hungarian solves the assignment problem by shortest augmenting paths with potentials (Kuhn and Munkres), O(n^3). Rows
// and columns count from 1; 0 is none. An additional column of cost miss for every row makes each row assignable.
type hungarian struct {
	cost  [][]float64
	miss  float64
	u, v  []float64 // potentials of rows and columns
	owner []int     // row of each column
	way   []int     // previous column of each on the cheapest path
}

func newHungarian(cost [][]float64, miss float64) *hungarian {
	rows := len(cost)
	n := len(cost[0]) + rows
	return &hungarian{
		cost: cost, miss: miss,
		u: make([]float64, rows+1), v: make([]float64, n+1), owner: make([]int, n+1), way: make([]int, n+1),
	}
}

// reduced returns the cost of a pair minus its potentials.
func (h *hungarian) reduced(row, col int) float64 {
	c := h.miss
	if col <= len(h.cost[0]) {
		c = min(h.cost[row-1][col-1], never)
	}
	return c - h.u[row] - h.v[col]
}

// add finds the cheapest path from a new row to a free column and moves the owners along it.
func (h *hungarian) add(row int) {
	h.owner[0] = row
	least, used := make([]float64, len(h.v)), make([]bool, len(h.v))
	for j := range least {
		least[j] = math.Inf(1)
	}
	col := 0
	for h.owner[col] != 0 {
		used[col] = true
		col = h.extend(col, least, used)
	}
	for col != 0 {
		before := h.way[col]
		h.owner[col] = h.owner[before]
		col = before
	}
}

// extend returns the nearest unused column, and updates the potentials so that its reduced cost is 0.
func (h *hungarian) extend(from int, least []float64, used []bool) int {
	delta, nearest := math.Inf(1), 0
	for j := 1; j < len(h.v); j++ {
		if used[j] {
			continue
		}
		if c := h.reduced(h.owner[from], j); c < least[j] {
			least[j], h.way[j] = c, from
		}
		if least[j] < delta {
			delta, nearest = least[j], j
		}
	}
	for j := range used {
		if used[j] {
			h.u[h.owner[j]] += delta
			h.v[j] -= delta
		} else {
			least[j] -= delta
		}
	}
	return nearest
}
