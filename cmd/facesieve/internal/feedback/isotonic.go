package feedback

// block is a range of bins, both ends included, that have the same value.
type block struct {
	first, last   int
	value, weight float64
}

// isotonic returns the function that never falls and has the least weighted squared difference to values, by pooling
// adjacent violators (Ayer et al. 1955). All weights must be positive.
func isotonic(values, weights histogram) (blocks []block) {
	for i, v := range values {
		blocks = append(blocks, block{i, i, v, weights[i]})
		for n := len(blocks); n > 1 && blocks[n-2].value >= blocks[n-1].value; n-- {
			left, right := blocks[n-2], blocks[n-1]
			weight := left.weight + right.weight
			blocks = append(blocks[:n-2], block{
				left.first, right.last, (left.value*left.weight + right.value*right.weight) / weight, weight,
			})
		}
	}
	return blocks
}
