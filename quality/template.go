package quality

import (
	"fmt"

	"gocv.io/x/gocv"
)

// Size is the width and height of an aligned face, pixels.
const Size = 112

// Landmarks are five points in pixels, x then y: right eye, left eye, tip of the nose, right and left corner of the
// mouth. Right is the person's own, at the left of the picture.
type Landmarks = [5][2]float32

// Template returns where the landmarks lie in an aligned face: the usual 112x112 template, on which recognisers train.
func Template() Landmarks {
	return Landmarks{
		{38.2946, 51.6963},
		{73.5318, 51.5014},
		{56.0252, 71.7366},
		{41.5493, 92.3655},
		{70.7299, 92.2041},
	}
}

// alignedPixels returns the memory of an aligned face, BGR row by row, valid as long as the matrix.
func alignedPixels(aligned gocv.Mat) ([]byte, error) {
	if aligned.Rows() != Size || aligned.Cols() != Size || aligned.Type() != gocv.MatTypeCV8UC3 {
		return nil, fmt.Errorf("picture of %dx%d pixels and type %v; an aligned face has %dx%d BGR pixels of 8 bits",
			aligned.Cols(), aligned.Rows(), aligned.Type(), Size, Size)
	}
	pixels, err := aligned.DataPtrUint8()
	if err != nil {
		return nil, fmt.Errorf("aligned face: %w; clone it to get rid of the gaps", err)
	}
	return pixels, nil
}
