package quality

import (
	"math"

	"gocv.io/x/gocv"
)

// The face within an aligned image: an ellipse from above the brows to the chin and from cheek to cheek, so that hair,
// background and black corners are not measured.
const (
	faceCentreX, faceCentreY = 56, 70
	faceRadiusX, faceRadiusY = 30, 38
	faceTop, faceBottom      = faceCentreY - faceRadiusY, faceCentreY + faceRadiusY // rows, both included
)

// Measuring needs the face and this many pixels around it: 1 for a derivative, blurRadius for a blur.
const (
	around                    = 1 + blurRadius
	measuredLeft, measuredTop = faceCentreX - faceRadiusX - around, faceTop - around
	measuredRight             = faceCentreX + faceRadiusX + around // included
	measuredBottom            = faceBottom + around                // included
)

// pixels is what the components of an image are measured from.
type pixels struct {
	spans  [Size]span // the face, row by row
	luma   luma
	levels histogram      // of the face
	sharp  sharpnessMeter // scratch memory
}

// span is a run of columns [from, to) of one row.
type span struct{ from, to int }

// faceSpans returns the columns of the face in every row of an aligned image.
func faceSpans() (spans [Size]span) {
	for y := faceTop; y <= faceBottom; y++ {
		dy := float64(y-faceCentreY) / faceRadiusY
		half := int(faceRadiusX * math.Sqrt(1-dy*dy))
		spans[y] = span{faceCentreX - half, faceCentreX + half + 1}
	}
	return spans
}

// luma is the luminance of an aligned face, row by row: ITU-R BT.601 of the gamma-encoded BGR values, 0..255. Only the
// measured part is filled.
type luma [Size * Size]int32

// fill computes luminance and histogram of an aligned BGR image. Its integer arithmetic gives the same on every
// machine.
func (p *pixels) fill(aligned gocv.Mat) error {
	bytes, err := alignedPixels(aligned)
	if err != nil {
		return err
	}
	for y := measuredTop; y <= measuredBottom; y++ {
		from, to := y*Size+measuredLeft, y*Size+measuredRight+1
		row, source := p.luma[from:to], bytes[3*from:3*to]
		for i := range row {
			bgr := source[3*i : 3*i+3 : 3*i+3]
			row[i] = (29*int32(bgr[0]) + 150*int32(bgr[1]) + 77*int32(bgr[2]) + 128) >> 8
		}
	}
	p.levels = p.luma.histogram(&p.spans)
	return nil
}

// histogram counts the pixels of the face by luminance.
type histogram [256]int

func (l *luma) histogram(spans *[Size]span) (h histogram) {
	for y, s := range spans {
		for _, value := range l[y*Size+s.from : y*Size+s.to] {
			h[value&255]++
		}
	}
	return h
}

// share returns the share of the pixels, 0..1, whose luminance is from low to high, both included.
func (h *histogram) share(low, high int) float64 {
	var found, total int
	for value, n := range h {
		total += n
		if value >= low && value <= high {
			found += n
		}
	}
	return float64(found) / float64(total)
}
