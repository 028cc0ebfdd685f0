package quality

import (
	"errors"
	"fmt"
	"math"
	"math/cmplx"
)

// Size is the width and height of an aligned face, pixels.
const Size = 112

// Landmarks are five points in pixels, x then y: right eye, left eye, tip of the nose, right and left corner of the
// mouth. Right is the person's own right, at the left of the image.
type Landmarks = [5][2]float32

// Template returns the landmarks of an aligned face: the usual 112x112 template, on which recognisers are trained.
func Template() Landmarks {
	return Landmarks{
		{38.2946, 51.6963},
		{73.5318, 51.5014},
		{56.0252, 71.7366},
		{41.5493, 92.3655},
		{70.7299, 92.2041},
	}
}

// ErrLandmarks marks landmarks that no face can have: not finite, or all in one spot.
var ErrLandmarks = errors.New("impossible landmarks")

// minSpread is the least root mean square distance of the landmarks from their mean, pixels. A face that small is two
// pixels wide.
const minSpread = 0.5

// Transform maps a pixel of the full frame to a pixel of the aligned face, row-major 2x3: x' = t[0]x + t[1]y + t[2] and
// y' = t[3]x + t[4]y + t[5]. Integers are the centres of pixels, as in OpenCV. It rotates, scales and shifts, and never
// mirrors.
type Transform [6]float64

// EstimateTransform returns the transform of landmarks to Template with the least sum of squared distances. The error
// is ErrLandmarks.
//
// It is the closed form of Umeyama, "Least-squares estimation of transformation parameters between two point patterns"
// (1991), equations 40 to 42, without reflection. In the plane, with points as complex numbers p (landmarks) and q
// (template) relative to their means, rotation and scale are one factor: sum(conj(p) q) / sum(|p|²).
func EstimateTransform(landmarks Landmarks) (Transform, error) {
	p, from, spread, err := centred(landmarks)
	if err != nil {
		return Transform{}, err
	}
	q, to, _, _ := centred(Template())
	var product complex128
	for i := range p {
		product += cmplx.Conj(p[i]) * q[i]
	}
	factor := product / complex(spread*spread*float64(len(p)), 0)
	if cmplx.Abs(factor) < 1e-6 {
		return Transform{}, fmt.Errorf("align: landmarks %v fit a face no better than its mirror image: %w",
			landmarks, ErrLandmarks)
	}
	shift := to - factor*from
	a, b := real(factor), imag(factor)
	return Transform{a, -b, real(shift), b, a, imag(shift)}, nil
}

// centred returns landmarks as complex numbers relative to their mean, the mean, and their root mean square distance
// from it.
func centred(landmarks Landmarks) (points [5]complex128, mean complex128, spread float64, err error) {
	for i, point := range landmarks {
		points[i] = complex(float64(point[0]), float64(point[1]))
		mean += points[i] / complex(float64(len(points)), 0)
	}
	var square float64
	for i := range points {
		points[i] -= mean
		square += real(points[i])*real(points[i]) + imag(points[i])*imag(points[i])
	}
	spread = math.Sqrt(square / float64(len(points)))
	if !(spread >= minSpread) || math.IsInf(spread, 0) { // written so that NaN fails too
		return points, mean, spread, fmt.Errorf("align: landmarks %v spread over %g pixels, a face needs %g: %w",
			landmarks, spread, minSpread, ErrLandmarks)
	}
	return points, mean, spread, nil
}

// Apply maps a pixel of the frame to the aligned face.
func (t Transform) Apply(x, y float64) (alignedX, alignedY float64) {
	return t[0]*x + t[1]*y + t[2], t[3]*x + t[4]*y + t[5]
}

// Scale returns the length, in pixels of the aligned face, of one pixel of the frame: below 1 for faces with more than
// 35 pixels between the eyes.
func (t Transform) Scale() float64 { return math.Hypot(t[0], t[3]) }

// Inverse returns the transform that maps a pixel of the aligned face to the frame.
func (t Transform) Inverse() Transform {
	square := t[0]*t[0] + t[3]*t[3]
	a, b := t[0]/square, -t[3]/square
	return Transform{a, -b, -(a*t[2] - b*t[5]), b, a, -(b*t[2] + a*t[5])}
}

// Residual returns the root mean square distance of the transformed landmarks from the template, in pixels of the
// aligned face. A frontal face has about 3, a half profile about 8; permuted or mirrored landmarks have 15 and more.
func (t Transform) Residual(landmarks Landmarks) float64 {
	var square float64
	for i, target := range Template() {
		x, y := t.Apply(float64(landmarks[i][0]), float64(landmarks[i][1]))
		dx, dy := x-float64(target[0]), y-float64(target[1])
		square += dx*dx + dy*dy
	}
	return math.Sqrt(square / float64(len(landmarks)))
}
