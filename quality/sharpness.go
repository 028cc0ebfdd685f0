package quality

// Sharpness is the name of the component, for Assessment.Component.
const Sharpness = "Sharpness"

// sharpness is centred where a recogniser (MobileFaceNet on LFW, FMR 1e-3) begins to fail: a Gaussian blur of 1.5
// pixels of the aligned face, or 12 pixels between the eyes, raise its FNMR from 3 % to 6..8 %. At a value of 10 or
// less its FNMR is above 50 %.
func sharpness() Component {
	return Component{
		Name: Sharpness, Unit: "share, 0..1",
		Doc:        "Share of the gradient energy that is in the finest detail; defocus, motion and few pixels lower it.",
		mapping:    logistic{best: 0.6, centre: 0.3, width: 0.06},
		fromPixels: func(p *pixels) float64 { return p.sharp.measure(&p.luma, &p.spans) },
	}
}

// blurRadius of the box filter that removes the finest detail: 5x5 pixels, a standard deviation of 1.4 pixels.
const blurRadius = 2

// flat is the gradient energy per pixel that counts as none, in squared grey levels of a Sobel filter (an edge of 1
// level gives 16): rounding noise of an image without any contrast.
const flat = 16

// sharpnessMeter measures sharpness. It holds the scratch memory.
type sharpnessMeter struct {
	rows    [Size * Size]int32 // sums over 5 pixels of a row
	blurred [Size * Size]int32 // sums over 5x5 pixels
}

// measure returns the share of the gradient energy, 0..1, that a blur of 5x5 pixels removes: with E and E' the mean
// squares of the Sobel derivative before and after the blur, over the face, it is (E - E') / (E + flat), in x or in y,
// whichever is less. A blur changes little in an image that is blurred already (Crété et al., "The blur effect:
// perception and estimation with a new no-reference perceptual blur metric", 2007).
//
// As a quotient it does not depend on contrast or brightness. The smoothing of the Sobel filter suppresses noise,
// motion blur removes the energy of one direction, and a tiny face that was enlarged to the template has no fine
// detail, so it counts as blurred. Median over LFW: 0.55; after a Gaussian blur of 1, 1.5, 2, 3 pixels: 0.40, 0.30,
// 0.22, 0.14; enlarged 2, 3, 4, 6 times: 0.40, 0.31, 0.26, 0.20. Limit: strong noise in a blurred image counts as
// detail.
func (s *sharpnessMeter) measure(l *luma, spans *[Size]span) float64 {
	s.blur(l)
	ex, ey, area := energy((*[Size * Size]int32)(l), spans)
	bx, by, _ := energy(&s.blurred, spans)
	const weight = (2*blurRadius + 1) * (2*blurRadius + 1)
	share := func(energy, blurred float64) float64 {
		return max(0, energy-blurred/(weight*weight)) / (energy + flat*area)
	}
	return min(share(ex, bx), share(ey, by))
}

// blur fills blurred in and around the face: running sums of the rows, then sums of five rows.
func (s *sharpnessMeter) blur(l *luma) {
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

// energy returns the sums of the squared Sobel derivatives of image over the face, in x and in y, and the area of the
// face in pixels.
func energy(image *[Size * Size]int32, spans *[Size]span) (ex, ey, area float64) {
	for y := faceTop; y <= faceBottom; y++ {
		first, n := y*Size+spans[y].from-1, spans[y].to-spans[y].from
		above, here, below := image[first-Size:][:n+2], image[first:][:n+2], image[first+Size:][:n+2]
		// Smoothed value and derivative in y of the columns left of (0), at (1) and right of (2) a pixel.
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
