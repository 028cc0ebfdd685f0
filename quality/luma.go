package quality

import (
	"math"

	"gocv.io/x/gocv"
)

// The face within an aligned picture: an ellipse from above the brows to the chin and from cheek to cheek, so that hair,
// background and black corners stay out of the measures.
const (
	faceCentreX, faceCentreY = 56, 70
	faceRadiusX, faceRadiusY = 30, 38
	faceTop, faceBottom      = faceCentreY - faceRadiusY, faceCentreY + faceRadiusY // rows, both included
)

// span is a run of columns [from, to) of one row.
type span struct{ from, to int }

// faceSpans returns the columns of the face in every row of an aligned picture.
func faceSpans() (spans [Size]span) {
	for y := faceTop; y <= faceBottom; y++ {
		dy := float64(y-faceCentreY) / faceRadiusY
		half := int(faceRadiusX * math.Sqrt(1-dy*dy))
		spans[y] = span{faceCentreX - half, faceCentreX + half + 1}
	}
	return spans
}

// luma is the luminance of an aligned face, row by row: ITU-R BT.601 of the BGR values as they are, 0..255.
type luma [Size * Size]uint8

// fill computes the luminance of an aligned BGR picture. It is plain integer arithmetic: the same on every machine.
func (l *luma) fill(aligned gocv.Mat) error {
	pixels, err := alignedPixels(aligned)
	if err != nil {
		return err
	}
	pixels = pixels[:3*len(l)]
	for i := range l {
		blue, green, red := uint32(pixels[3*i]), uint32(pixels[3*i+1]), uint32(pixels[3*i+2])
		l[i] = uint8((29*blue + 150*green + 77*red + 128) >> 8) //nolint:gosec // at most 255
	}
	return nil
}

// share returns the share of the face, 0..1, whose luminance is from low to high, both included.
func (l *luma) share(spans *[Size]span, low, high uint8) float64 {
	var found, total int
	for y, s := range spans {
		for _, value := range l[y*Size+s.from : y*Size+s.to] {
			if value >= low && value <= high {
				found++
			}
		}
		total += s.to - s.from
	}
	return float64(found) / float64(total)
}
