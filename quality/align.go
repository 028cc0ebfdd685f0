package quality

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"

	"gocv.io/x/gocv"
)

// ErrOutside marks a face whose aligned image would not contain a single pixel of the frame.
var ErrOutside = errors.New("face outside the frame")

// Least scales (Transform.Scale) for 1x1 and 2x2 samples a pixel of the aligned face; below, there are 3x3. A sample is
// interpolated linearly, so it covers up to 2x2 pixels of the frame. Root mean square errors on frames of a street,
// against the mean over the whole area of each pixel: with 1x1 0.8 grey levels at scale 0.7; with 2x2 0.5 at 0.6 and
// 1.0 at 0.25; with 3x3 0.5 at 0.25 and 1.0 at 0.06. With 1x1 alone they are 1.5 at 0.5 and 8 at 0.1.
const (
	oneSample  = 0.7
	twoSamples = 0.25
)

// Aligner cuts faces out of frames. Close frees its scratch memory.
type Aligner struct {
	inverse gocv.Mat  // 2x3, CV_64F: aligned pixel -> frame pixel
	values  []float64 // the memory of inverse; nil: closed
	fine    gocv.Mat  // an aligned face with several samples a pixel
}

// NewAligner returns an Aligner. The caller closes it.
func NewAligner() *Aligner {
	a := &Aligner{inverse: gocv.NewMatWithSize(2, 3, gocv.MatTypeCV64F), fine: gocv.NewMat()}
	// It fails only for a matrix of another type or with gaps.
	a.values, _ = a.inverse.DataPtrFloat64()
	return a
}

// Close frees the scratch memory. A second Close does nothing.
func (a *Aligner) Close() error {
	if a.values == nil {
		return nil
	}
	a.values = nil
	return errors.Join(a.inverse.Close(), a.fine.Close())
}

// Align writes the face of frame at landmarks to dst: Size x Size pixels, BGR, 8 bits. frame is a BGR image of 8 bits,
// and landmarks are pixels of it; it is not changed. dst is owned by the caller and may have any size and type before.
// Errors are ErrLandmarks, ErrOutside and those of a frame of another type.
//
// It interpolates linearly. A face much larger than the template is cut out two or three times as large and then
// reduced to the mean of 2x2 or 3x3 samples: with one sample a pixel, pixels of the frame would be skipped, and
// aliasing looks like detail. What lies outside the frame is black, as in the images that recognisers are trained on.
func (a *Aligner) Align(frame gocv.Mat, landmarks Landmarks, dst *gocv.Mat) (Transform, error) {
	if a.values == nil {
		return Transform{}, errors.New("align: the aligner is closed")
	}
	if frame.Empty() || frame.Type() != gocv.MatTypeCV8UC3 {
		return Transform{}, fmt.Errorf("align: frame of %dx%d pixels and type %v; a BGR image of 8 bits is needed",
			frame.Cols(), frame.Rows(), frame.Type())
	}
	transform, err := EstimateTransform(landmarks)
	if err != nil {
		return Transform{}, err
	}
	inverse := transform.Inverse()
	if !overlaps(inverse, frame.Cols(), frame.Rows()) {
		return Transform{}, fmt.Errorf("align: landmarks %v in a frame of %dx%d pixels: %w",
			landmarks, frame.Cols(), frame.Rows(), ErrOutside)
	}
	if err := a.resample(frame, inverse, samples(transform.Scale()), dst); err != nil {
		return Transform{}, fmt.Errorf("align: %w", err)
	}
	return transform, nil
}

// resample fills dst with the aligned face, each pixel the mean of n x n samples.
func (a *Aligner) resample(frame gocv.Mat, inverse Transform, n int, dst *gocv.Mat) error {
	if n == 1 {
		return a.warp(frame, inverse, Size, dst)
	}
	if err := a.warp(frame, supersample(inverse, n), n*Size, &a.fine); err != nil {
		return err
	}
	return gocv.Resize(a.fine, dst, image.Pt(Size, Size), 0, 0, gocv.InterpolationArea)
}

// samples returns n: a pixel of the aligned face is the mean of n x n samples.
func samples(scale float64) int {
	switch {
	case scale >= oneSample:
		return 1
	case scale >= twoSamples:
		return 2
	default:
		return 3
	}
}

func (a *Aligner) warp(frame gocv.Mat, inverse Transform, size int, dst *gocv.Mat) error {
	copy(a.values, inverse[:])
	return gocv.WarpAffineWithParams(frame, dst, a.inverse, image.Pt(size, size),
		gocv.InterpolationLinear|gocv.WarpInverseMap, gocv.BorderConstant, color.RGBA{})
}

// supersample returns the transform from samples, n x n a pixel, to the frame: sample u lies at (u + 1/2)/n - 1/2 of
// the aligned face.
func supersample(inverse Transform, n int) Transform {
	shift := (1/float64(n) - 1) / 2
	x, y := inverse.Apply(shift, shift)
	f := float64(n)
	return Transform{inverse[0] / f, inverse[1] / f, x, inverse[3] / f, inverse[4] / f, y}
}

// overlaps reports whether the aligned face and a frame of that size overlap.
func overlaps(inverse Transform, width, height int) bool {
	low, high := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(-1), math.Inf(-1)}
	for _, corner := range [4][2]float64{{-1, -1}, {Size, -1}, {-1, Size}, {Size, Size}} {
		x, y := inverse.Apply(corner[0], corner[1])
		low[0], low[1] = math.Min(low[0], x), math.Min(low[1], y)
		high[0], high[1] = math.Max(high[0], x), math.Max(high[1], y)
	}
	return low[0] < float64(width) && low[1] < float64(height) && high[0] > 0 && high[1] > 0
}

// alignedPixels returns the memory of an aligned face, BGR row by row, valid as long as the matrix.
func alignedPixels(aligned gocv.Mat) ([]byte, error) {
	if aligned.Rows() != Size || aligned.Cols() != Size || aligned.Type() != gocv.MatTypeCV8UC3 {
		return nil, fmt.Errorf("image of %dx%d pixels and type %v; an aligned face has %dx%d BGR pixels of 8 bits",
			aligned.Cols(), aligned.Rows(), aligned.Type(), Size, Size)
	}
	pixels, err := aligned.DataPtrUint8()
	if err != nil {
		return nil, fmt.Errorf("aligned face: %w; clone it to remove the gaps between its rows", err)
	}
	return pixels, nil
}
