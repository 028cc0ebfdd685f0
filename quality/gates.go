package quality

import (
	"image"
	"math"
)

// Gates rule out faces that no recogniser should see, whatever their score. They are wide: grading is the score's work.
type Gates struct {
	// MinEyeDistance is the least distance between the eyes, pixels of the frame, corrected for yaw; about 0.43 of the
	// width of a detector's box. 0 takes all.
	MinEyeDistance float64 `yaml:"min_eye_distance"`
	// MinSharpness is the least Sharpness component, 0..100. 0 takes all.
	MinSharpness float64 `yaml:"min_sharpness"`
	// MaxYaw, MaxPitch and MaxRoll bound the head pose, degrees to either side: 0..90, 0..90 and 0..180; the upper ends
	// take all.
	MaxYaw   float64 `yaml:"max_yaw"`
	MaxPitch float64 `yaml:"max_pitch"`
	MaxRoll  float64 `yaml:"max_roll"`
	// MaxResidual bounds how far the aligned landmarks may lie from the template, pixels of the aligned face (root mean
	// square): beyond it they belong to no face.
	MaxResidual float64 `yaml:"max_residual"`
	// EdgeMargin is how far inside the frame the face must lie, as a share of its shorter side, -1..1. At 0 it may not
	// touch the border; -0.2 lets a fifth of it be outside; -1 takes all. The face is the detector's box and also what
	// lies around the landmarks from the brows to the chin, because detectors fit their box to the part they see.
	EdgeMargin float64 `yaml:"edge_margin"`
}

// Check returns why a face is to be dropped, or nothing. frame is the size of the frame; box is x, y, width and height in
// its pixels. What is not assessed yet is not judged: call Check after Geometry, to save the work of cutting and scoring,
// and again after Pixels.
func (g Gates) Check(frame image.Point, box [4]float32, face Assessment) Reason {
	raw, c := face.Raw, face.Components
	switch {
	case g.overEdge(frame, box), face.Bounds != [4]float32{} && g.overEdge(frame, face.Bounds):
		return ReasonEdge
	case c.InterEyeDistance != NotAssessed && !(raw.EyeDistance >= g.MinEyeDistance):
		return ReasonTooSmall
	case c.HeadPoseYaw != NotAssessed && !g.facing(raw):
		return ReasonPose
	case c.Sharpness != NotAssessed && !(c.Sharpness >= g.MinSharpness):
		return ReasonTooBlurred
	}
	return ""
}

// coarseShare is how much of the least distance between the eyes a face needs so that better landmarks may find all of it.
const coarseShare = 0.7

// Coarse returns the gates for landmarks that will be looked for again, closer: they rule out only what better ones hardly save, a
// face at the border and one whose eyes are far too near each other.
func (g Gates) Coarse() Gates {
	return Gates{
		MinEyeDistance: coarseShare * g.MinEyeDistance, EdgeMargin: g.EdgeMargin,
		MaxYaw: 90, MaxPitch: 90, MaxRoll: 180, MaxResidual: math.Inf(1),
	}
}

// facing tells whether pose and landmarks are those of a face that can be recognised. All comparisons fail for NaN.
func (g Gates) facing(raw Measures) bool {
	return math.Abs(raw.Yaw) <= g.MaxYaw && math.Abs(raw.Pitch) <= g.MaxPitch && math.Abs(raw.Roll) <= g.MaxRoll &&
		raw.Residual <= g.MaxResidual
}

// overEdge tells whether less than the margin is left on any side of the box.
func (g Gates) overEdge(frame image.Point, box [4]float32) bool {
	if g.EdgeMargin <= -1 {
		return false
	}
	x, y, width, height := float64(box[0]), float64(box[1]), float64(box[2]), float64(box[3])
	margin := g.EdgeMargin * math.Min(width, height)
	inside := x > margin && y > margin && float64(frame.X)-(x+width) > margin && float64(frame.Y)-(y+height) > margin
	return !inside
}

// faceBox returns the bounds, in pixels of the frame, of the ellipse that is the face in the aligned picture.
func faceBox(transform Transform) [4]float32 {
	inverse := transform.Inverse()
	x, y := inverse.Apply(faceCentreX, faceCentreY)
	halfWidth := math.Hypot(inverse[0]*faceRadiusX, inverse[1]*faceRadiusY)
	halfHeight := math.Hypot(inverse[3]*faceRadiusX, inverse[4]*faceRadiusY)
	return [4]float32{float32(x - halfWidth), float32(y - halfHeight), float32(2 * halfWidth), float32(2 * halfHeight)}
}
