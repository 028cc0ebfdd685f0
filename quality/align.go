package quality

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"

	"gocv.io/x/gocv"
)

// ErrOutside marks a face whose aligned picture would not show a single pixel of the frame.
var ErrOutside = errors.New("face outside the frame")

// Scales from which on one sample for each pixel of the aligned face is enough, or two a side; below, it takes three. A
// sample is interpolated linearly, so it weighs up to 2x2 pixels of the frame. Measured on frames of a street, against the
// mean over each pixel's whole area: root mean square errors of 0.8 grey levels at scale 0.7 with one; 0.5 at 0.6 and 1.0
// at 0.25 with two; 0.5 at 0.25 and 1.0 at 0.06 with three. One sample alone would leave 1.5 at 0.5 and 8 at 0.1.
const (
	oneSample  = 0.7
	twoSamples = 0.25
)

// Aligner cuts faces out of frames. Close frees its scratch memory.
type Aligner struct {
	inverse gocv.Mat  // 2x3, CV_64F: aligned pixel -> frame pixel
	values  []float64 // the memory of inverse
	fine    gocv.Mat  // an aligned face of several samples a pixel
}

// NewAligner returns an Aligner. The caller closes it.
func NewAligner() *Aligner {
	a := &Aligner{inverse: gocv.NewMatWithSize(2, 3, gocv.MatTypeCV64F), fine: gocv.NewMat()}
	// A fresh matrix is continuous and of that type, which is all that this can fail for.
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

// Align fills dst with the face of frame at landmarks: Size x Size pixels, BGR, 8 bits. frame is a BGR picture of 8 bits,
// in which landmarks are pixels; it is borrowed. dst is the caller's, of any size and type before.
//
// Between pixels it interpolates linearly. A face of much more than the template's size is cut out two or three times as
// large and then reduced to the mean of 2x2 or 3x3 samples: one sample a pixel would skip pixels of the frame, and the
// alias looks like detail. What lies outside the frame is black, as in the pictures that recognisers are trained on.
func (a *Aligner) Align(frame gocv.Mat, landmarks Landmarks, dst *gocv.Mat) (Transform, error) {
	if a.values == nil {
		return Transform{}, errors.New("align: the aligner is closed")
	}
	if frame.Empty() || frame.Type() != gocv.MatTypeCV8UC3 {
		return Transform{}, fmt.Errorf("align: frame of %dx%d pixels and type %v; a BGR picture of 8 bits is needed",
			frame.Cols(), frame.Rows(), frame.Type())
	}
	transform, err := EstimateTransform(landmarks)
	if err != nil {
		return Transform{}, err
	}
	inverse := transform.Inverse()
	if !shows(inverse, frame.Cols(), frame.Rows()) {
		return Transform{}, fmt.Errorf("align: landmarks %v in a frame of %dx%d pixels: %w",
			landmarks, frame.Cols(), frame.Rows(), ErrOutside)
	}
	if err := a.cut(frame, inverse, samples(transform.Scale()), dst); err != nil {
		return Transform{}, fmt.Errorf("align: %w", err)
	}
	return transform, nil
}

// cut fills dst with the mean of n x n samples a pixel.
func (a *Aligner) cut(frame gocv.Mat, inverse Transform, n int, dst *gocv.Mat) error {
	if n == 1 {
		return a.warp(frame, inverse, Size, dst)
	}
	if err := a.warp(frame, sampled(inverse, n), n*Size, &a.fine); err != nil {
		return err
	}
	return gocv.Resize(a.fine, dst, image.Pt(Size, Size), 0, 0, gocv.InterpolationArea)
}

// samples returns how many samples a side make one pixel of the aligned face.
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

// sampled returns inverse for n x n samples a pixel: sample u lies at (u + 1/2)/n - 1/2 of the aligned face.
func sampled(inverse Transform, n int) Transform {
	shift := (1/float64(n) - 1) / 2
	x, y := inverse.Apply(shift, shift)
	by := float64(n)
	return Transform{inverse[0] / by, inverse[1] / by, x, inverse[3] / by, inverse[4] / by, y}
}

// shows tells whether the bounds of the aligned face meet a frame of that size.
func shows(inverse Transform, width, height int) bool {
	low, high := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(-1), math.Inf(-1)}
	for _, corner := range [4][2]float64{{-1, -1}, {Size, -1}, {-1, Size}, {Size, Size}} {
		x, y := inverse.Apply(corner[0], corner[1])
		low[0], low[1] = math.Min(low[0], x), math.Min(low[1], y)
		high[0], high[1] = math.Max(high[0], x), math.Max(high[1], y)
	}
	return low[0] < float64(width) && low[1] < float64(height) && high[0] > 0 && high[1] > 0
}
