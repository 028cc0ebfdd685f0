package quality

import (
	"image"
	"math"
)

// Reason is why a face is not sent; empty: nothing is wrong with it.
type Reason string

// Reasons. The first four are those of Gates, the others those of Selector.
const (
	ReasonEdge       Reason = "edge"        // the face touches or crosses the border of the frame
	ReasonTooSmall   Reason = "too_small"   // too few pixels between the eyes
	ReasonPose       Reason = "pose"        // the head is turned too far, or the landmarks are not those of a face
	ReasonTooBlurred Reason = "too_blurred" // out of focus, in motion, or enlarged from too few pixels
	ReasonLowQuality Reason = "low_quality" // the score is below the threshold
	ReasonDuplicate  Reason = "duplicate"   // a face as good or nearly so of the same track was sent or is held
)

// Gates reject faces that no recogniser can use, whatever their score. Their defaults are wide, because grading is the
// purpose of the score.
type Gates struct {
	// MinEyeDistance is the least distance between the eyes, pixels of the frame, corrected for yaw; it is about 0.43 of
	// the width of a detected box. 0 accepts every face.
	MinEyeDistance float64 `yaml:"min_eye_distance"`
	// MinSharpness is the least value of the component Sharpness, 0..100. 0 accepts every face.
	MinSharpness float64 `yaml:"min_sharpness"`
	// MaxYaw, MaxPitch and MaxRoll bound the head pose, degrees to either side: 0..90, 0..90 and 0..180. The upper ends
	// accept every face.
	MaxYaw   float64 `yaml:"max_yaw"`
	MaxPitch float64 `yaml:"max_pitch"`
	MaxRoll  float64 `yaml:"max_roll"`
	// MaxResidual bounds Transform.Residual, pixels of the aligned face: beyond it the landmarks are not those of a face.
	MaxResidual float64 `yaml:"max_residual"`
	// EdgeMargin is the distance of the face from the border that must be exceeded, as a share of the shorter side of its
	// box, -1..1. At 0 the face may not touch the border; at -0.2 up to a fifth of it may be outside; -1 accepts every
	// face. Both the detected box and Assessment.Bounds are checked, because a detector fits its box to the visible part.
	EdgeMargin float64 `yaml:"edge_margin"`
}

// Check returns the reason of the first gate that rejects a face, or nothing. frame is the size of the frame; box is x,
// y, width and height in its pixels. A gate whose measure is not assessed does not reject: call Check after Geometry,
// which saves aligning and scoring most rejected faces, and again after Pixels.
func (g Gates) Check(frame image.Point, box [4]float32, face Assessment) Reason {
	for _, limit := range g.limits(frame, box, face) {
		if limit.assessed && !limit.accepts(limit.measured, limit.value) {
			return limit.reason
		}
	}
	return ""
}

// limit is a gate applied to a face.
type limit struct {
	reason   Reason
	key      string  // of value, in section quality.gates
	unit     string  // of measured and value
	value    float64 // that the face has to meet
	measured float64
	assessed bool
	accepts  func(measured, value float64) bool // false for NaN
}

// limits returns the gates in the order in which they are checked.
func (g Gates) limits(frame image.Point, box [4]float32, face Assessment) [8]limit {
	above := func(measured, value float64) bool { return measured > value }
	atLeast := func(measured, value float64) bool { return measured >= value }
	atMost := func(measured, value float64) bool { return math.Abs(measured) <= value }
	eyes, sharpness := face.Component(InterEyeDistance), face.Component(Sharpness)
	yaw, pitch, roll := face.Component(HeadPoseYaw), face.Component(HeadPosePitch), face.Component(HeadPoseRoll)
	const share, degrees = "share of the shorter side", "degrees"
	bounded, checked := face.Bounds != [4]float32{}, g.EdgeMargin > -1
	return [...]limit{
		{ReasonEdge, "edge_margin", share, g.EdgeMargin, margin(frame, box), checked, above},
		{ReasonEdge, "edge_margin", share, g.EdgeMargin, margin(frame, face.Bounds), checked && bounded, above},
		{ReasonTooSmall, "min_eye_distance", "pixels of the frame", g.MinEyeDistance, eyes.Native, eyes.Assessed(), atLeast},
		{ReasonPose, "max_yaw", degrees, g.MaxYaw, yaw.Native, yaw.Assessed(), atMost},
		{ReasonPose, "max_pitch", degrees, g.MaxPitch, pitch.Native, pitch.Assessed(), atMost},
		{ReasonPose, "max_roll", degrees, g.MaxRoll, roll.Native, roll.Assessed(), atMost},
		{ReasonPose, "max_residual", "pixels of the aligned face", g.MaxResidual, face.Residual, yaw.Assessed(), atMost},
		{ReasonTooBlurred, "min_sharpness", "0..100", g.MinSharpness, sharpness.Value, sharpness.Assessed(), atLeast},
	}
}

// coarseShare is the share of the least distance between the eyes that coarse landmarks must show: refinement may find
// the rest.
const coarseShare = 0.7

// Coarse returns the gates for landmarks that will be refined. They reject only faces that refinement hardly changes:
// at the border, or much too small.
func (g Gates) Coarse() Gates {
	return Gates{
		MinEyeDistance: coarseShare * g.MinEyeDistance, EdgeMargin: g.EdgeMargin,
		MaxYaw: 90, MaxPitch: 90, MaxRoll: 180, MaxResidual: math.Inf(1),
	}
}

// margin returns the distance of a box from the nearest border of the frame, as a share of its shorter side; it is
// negative where the box crosses the border.
func margin(frame image.Point, box [4]float32) float64 {
	x, y, width, height := float64(box[0]), float64(box[1]), float64(box[2]), float64(box[3])
	return min(x, y, float64(frame.X)-(x+width), float64(frame.Y)-(y+height)) / min(width, height)
}

// faceBox returns the bounds, in pixels of the frame, of the ellipse that is the face in the aligned image.
func faceBox(transform Transform) [4]float32 {
	inverse := transform.Inverse()
	x, y := inverse.Apply(faceCentreX, faceCentreY)
	halfWidth := math.Hypot(inverse[0]*faceRadiusX, inverse[1]*faceRadiusY)
	halfHeight := math.Hypot(inverse[3]*faceRadiusX, inverse[4]*faceRadiusY)
	return [4]float32{float32(x - halfWidth), float32(y - halfHeight), float32(2 * halfWidth), float32(2 * halfHeight)}
}
