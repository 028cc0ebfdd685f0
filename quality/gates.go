package quality

import (
	"image"
	"math"
)

// Reason is why a face is not sent; empty: nothing is wrong with it.
type Reason string

// Reasons. The first four are those of Gates.
const (
	ReasonEdge       Reason = "edge"        // the face touches or crosses the border of the frame
	ReasonTooSmall   Reason = "too_small"   // too few pixels between the eyes
	ReasonPose       Reason = "pose"        // the head is turned too far, or the landmarks are not those of a face
	ReasonTooBlurred Reason = "too_blurred" // out of focus, in motion, or enlarged from too few pixels
	ReasonLowQuality Reason = "low_quality" // the score is below the threshold
	ReasonDuplicate  Reason = "duplicate"   // a face as good or nearly so of the same visit was sent or is held
	ReasonStatic     Reason = "static"      // it did not move for long: a poster, a screen, a statue
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
// which saves aligning and scoring most rejected faces, and again after Pixels and Pose.
func (g Gates) Check(frame image.Point, box [4]float32, face Assessment) Reason {
	for _, gate := range g.apply(frame, box, face) {
		if gate.missed() {
			return gate.reason
		}
	}
	return ""
}

// gate is one limit of Gates, applied to a face.
type gate struct {
	bound         // the limit in the configuration
	reason        Reason
	measure, unit string  // of Miss
	measured      float64 // in the unit of the limit
	assessed      bool
	accepts       func(measured, limit float64) bool // false for NaN
}

// missed reports whether the gate rejects the face.
func (g *gate) missed() bool { return g.assessed && !g.accepts(g.measured, g.value) }

// miss describes a gate that rejects the face.
func (g *gate) miss() Miss {
	m := Miss{Reason: g.reason, Key: g.key, Measure: g.measure, Measured: g.measured, Limit: g.value, Unit: g.unit}
	if g.unit == UnitPercent { // the limit in the configuration is a share
		m.Measured, m.Limit = 100*m.Measured, 100*m.Limit
	}
	return m
}

// apply returns the gates in the order in which they are checked. A new gate is a field of Gates and an entry here.
func (g Gates) apply(frame image.Point, box [4]float32, face Assessment) [7]gate {
	above := func(measured, limit float64) bool { return measured > limit }
	atLeast := func(measured, limit float64) bool { return measured >= limit }
	atMost := func(measured, limit float64) bool { return math.Abs(measured) <= limit }
	edge := margin(frame, box)
	if face.Bounds != [4]float32{} {
		edge = min(edge, margin(frame, face.Bounds))
	}
	eyes, sharp := face.Component(InterEyeDistance), face.Component(Sharpness)
	yaw, pitch, roll := face.Component(HeadPoseYaw), face.Component(HeadPosePitch), face.Component(HeadPoseRoll)
	return [...]gate{
		{
			bound{"gates.edge_margin", g.EdgeMargin, -1, 1, ", a share of the box (-1 takes all, 0 must not touch the border)"},
			ReasonEdge, MeasureBorderDistance, UnitPercent, edge, g.EdgeMargin > -1, above,
		},
		{
			bound{"gates.min_eye_distance", g.MinEyeDistance, 0, 1000, " pixels of the frame (0 takes all)"},
			ReasonTooSmall, InterEyeDistance, UnitPixels, eyes.Native, eyes.Assessed(), atLeast,
		},
		{
			bound{"gates.max_yaw", g.MaxYaw, 0, 90, " degrees (90 takes all)"},
			ReasonPose, HeadPoseYaw, UnitDegrees, yaw.Native, yaw.Assessed(), atMost,
		},
		{
			bound{"gates.max_pitch", g.MaxPitch, 0, 90, " degrees (90 takes all)"},
			ReasonPose, HeadPosePitch, UnitDegrees, pitch.Native, pitch.Assessed(), atMost,
		},
		{
			bound{"gates.max_roll", g.MaxRoll, 0, 180, " degrees (180 takes all)"},
			ReasonPose, HeadPoseRoll, UnitDegrees, roll.Native, roll.Assessed(), atMost,
		},
		{
			bound{"gates.max_residual", g.MaxResidual, 0, Size, " pixels of the aligned face (112 takes all)"},
			ReasonPose, MeasureLandmarkResidual, UnitPixels, face.Residual, yaw.Assessed(), atMost,
		},
		{
			bound{"gates.min_sharpness", g.MinSharpness, 0, 100, " (the Sharpness component; 0 takes all)"},
			ReasonTooBlurred, Sharpness, "", sharp.Value, sharp.Assessed(), atLeast,
		},
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
