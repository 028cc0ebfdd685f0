package quality

// blurRadius of the box that takes the finest detail away: 5x5 pixels, a standard deviation of 1.4.
const blurRadius = 2

// flat is gradient energy that counts as none, grey levels squared of a Sobel filter (an edge of 1 level gives 16): the
// rounding of a picture without any contrast.
const flat = 16

// sharpener measures sharpness. It keeps the scratch memory.
type sharpener struct {
	rows    [Size * Size]int32 // sums over 5 pixels of a row
	blurred [Size * Size]int32 // sums over 5x5 pixels
}

// measure returns the share of the gradient's energy, 0..1, that a blur of 5x5 pixels takes away: E and E' are the mean
// squares of the Sobel derivative before and after, over the face; sharpness is (E - E') / (E + flat), in x or in y,
// whichever is less. A second blur changes little in what is blurred already (Crété et al., "The blur effect", 2007).
//
// Being a quotient it does not change with contrast and brightness; Sobel's smoothing keeps noise out; motion blur takes
// the energy of one direction; and a tiny face that was enlarged to the template has no fine detail, so it counts as
// blurred. Median over LFW: 0.55; after a Gaussian blur of 1, 1.5, 2, 3 pixels: 0.40, 0.30, 0.22, 0.14; enlarged 2, 3, 4,
// 6 times: 0.40, 0.31, 0.26, 0.20. Strong noise in a blurred picture passes for detail all the same.
func (s *sharpener) measure(l *luma, spans *[Size]span) float64 {
	s.blur(l)
	var ex, ey, bx, by float64
	for y := faceTop; y <= faceBottom; y++ {
		var sharp, soft [2]int64
		for i := y*Size + spans[y].from; i < y*Size+spans[y].to; i++ {
			dx, dy := sobel(l[:], i)
			sharp[0] += dx * dx
			sharp[1] += dy * dy
			dx, dy = sobel(s.blurred[:], i)
			soft[0] += dx * dx
			soft[1] += dy * dy
		}
		ex, ey = ex+float64(sharp[0]), ey+float64(sharp[1])
		bx, by = bx+float64(soft[0]), by+float64(soft[1])
	}
	var area float64
	for _, row := range spans {
		area += float64(row.to - row.from)
	}
	const weight = (2*blurRadius + 1) * (2*blurRadius + 1)
	share := func(energy, blurred float64) float64 {
		return max(0, energy-blurred/(weight*weight)) / (energy + flat*area)
	}
	return min(share(ex, bx), share(ey, by))
}

// blur fills blurred around the face, with two running sums.
func (s *sharpener) blur(l *luma) {
	const left, right = faceCentreX - faceRadiusX - 1, faceCentreX + faceRadiusX + 1 // columns, both included
	const top, bottom = faceTop - 1, faceBottom + 1
	for y := top - blurRadius; y <= bottom+blurRadius; y++ {
		row, sums := l[y*Size:(y+1)*Size], s.rows[y*Size:(y+1)*Size]
		var sum int32
		for x := left - blurRadius; x < left+blurRadius; x++ {
			sum += int32(row[x])
		}
		for x := left; x <= right; x++ {
			sum += int32(row[x+blurRadius])
			sums[x] = sum
			sum -= int32(row[x-blurRadius])
		}
	}
	for y := top; y <= bottom; y++ {
		for x := left; x <= right; x++ {
			i := y*Size + x
			s.blurred[i] = s.rows[i-2*Size] + s.rows[i-Size] + s.rows[i] + s.rows[i+Size] + s.rows[i+2*Size]
		}
	}
}

// sobel returns the derivatives at index i of a picture with rows of Size values.
func sobel[T uint8 | int32](p []T, i int) (dx, dy int64) {
	above, here, below := p[i-Size-1:i-Size+2], p[i-1:i+2], p[i+Size-1:i+Size+2]
	a, b, c := int64(above[0]), int64(above[1]), int64(above[2])
	d, f := int64(here[0]), int64(here[2])
	g, h, k := int64(below[0]), int64(below[1]), int64(below[2])
	return c - a + 2*(f-d) + k - g, g - a + 2*(h-b) + k - c
}
