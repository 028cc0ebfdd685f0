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
	ex, ey, area := energy((*[Size * Size]int32)(l), spans)
	bx, by, _ := energy(&s.blurred, spans)
	const weight = (2*blurRadius + 1) * (2*blurRadius + 1)
	share := func(energy, blurred float64) float64 {
		return max(0, energy-blurred/(weight*weight)) / (energy + flat*area)
	}
	return min(share(ex, bx), share(ey, by))
}

// blur fills blurred around the face, with two running sums.
func (s *sharpener) blur(l *luma) {
	const left, right = measuredLeft + blurRadius, measuredRight - blurRadius // columns, both included
	const top, bottom = measuredTop + blurRadius, measuredBottom - blurRadius
	for y := measuredTop; y <= measuredBottom; y++ {
		row, sums := l[y*Size:(y+1)*Size], s.rows[y*Size:(y+1)*Size]
		var sum int32
		for x := left - blurRadius; x < left+blurRadius; x++ {
			sum += row[x]
		}
		for x := left; x <= right; x++ {
			sum += row[x+blurRadius]
			sums[x] = sum
			sum -= row[x-blurRadius]
		}
	}
	for y := top; y <= bottom; y++ {
		for x := left; x <= right; x++ {
			i := y*Size + x
			s.blurred[i] = s.rows[i-2*Size] + s.rows[i-Size] + s.rows[i] + s.rows[i+Size] + s.rows[i+2*Size]
		}
	}
}

// energy returns the sums of the squared Sobel derivatives of a picture over the face, in x and in y, and the face's area.
func energy(picture *[Size * Size]int32, spans *[Size]span) (ex, ey, area float64) {
	for y := faceTop; y <= faceBottom; y++ {
		first, n := y*Size+spans[y].from-1, spans[y].to-spans[y].from
		above, here, below := picture[first-Size:][:n+2], picture[first:][:n+2], picture[first+Size:][:n+2]
		// Of the columns left, at and right of a pixel: their smoothed value, and their derivative in y.
		value0, slope0 := above[0]+2*here[0]+below[0], below[0]-above[0]
		value1, slope1 := above[1]+2*here[1]+below[1], below[1]-above[1]
		var rowX, rowY int64
		for i := range n {
			value2, slope2 := above[i+2]+2*here[i+2]+below[i+2], below[i+2]-above[i+2]
			dx, dy := int64(value2-value0), int64(slope0+2*slope1+slope2)
			rowX += dx * dx
			rowY += dy * dy
			value0, value1, slope0, slope1 = value1, value2, slope1, slope2
		}
		ex, ey, area = ex+float64(rowX), ey+float64(rowY), area+float64(n)
	}
	return ex, ey, area
}
