package detect

import "math"

// never is far above any sum of costs and low enough for exact arithmetic.
const never = 1e9

// assign pairs rows with columns so that the sum of the costs of the pairs, and of miss for each row without one, is least
// (the Hungarian method, O(n^3)). It returns the column of each row, -1 for none. cost is rectangular, row by row; infinity
// forbids a pair.
func assign(cost [][]float64, miss float64) []int {
	if len(cost) == 0 {
		return nil
	}
	rows, cols := len(cost), len(cost[0])
	// A spare column for every row makes each assignable.
	at := func(i, j int) float64 {
		if j < cols {
			return min(cost[i][j], never)
		}
		return miss
	}
	n := cols + rows
	u, v := make([]float64, rows+1), make([]float64, n+1)
	owner, way := make([]int, n+1), make([]int, n+1) // 1-based; 0 is nobody
	for i := 1; i <= rows; i++ {
		owner[0] = i
		least, used := make([]float64, n+1), make([]bool, n+1)
		for j := range least {
			least[j] = math.Inf(1)
		}
		j0 := 0
		for owner[j0] != 0 {
			used[j0] = true
			row, delta, j1 := owner[j0], math.Inf(1), 0
			for j := 1; j <= n; j++ {
				if used[j] {
					continue
				}
				if c := at(row-1, j-1) - u[row] - v[j]; c < least[j] {
					least[j], way[j] = c, j0
				}
				if least[j] < delta {
					delta, j1 = least[j], j
				}
			}
			for j := range used {
				if used[j] {
					u[owner[j]] += delta
					v[j] -= delta
				} else {
					least[j] -= delta
				}
			}
			j0 = j1
		}
		for j0 != 0 {
			owner[j0], j0 = owner[way[j0]], way[j0]
		}
	}
	result := make([]int, rows)
	for i := range result {
		result[i] = -1
	}
	for j := 1; j <= cols; j++ {
		if i := owner[j]; i > 0 && cost[i-1][j-1] < never {
			result[i-1] = j - 1
		}
	}
	return result
}
