package quality

import "math"

// Names of the components of landmarks, for Assessment.Component.
const (
	InterEyeDistance = "InterEyeDistance"
	HeadPoseYaw      = "HeadPoseYaw"
	HeadPosePitch    = "HeadPosePitch"
	HeadPoseRoll     = "HeadPoseRoll"
)

// geometry is what the components of landmarks are measured from.
type geometry struct {
	landmarks        Landmarks // pixels of the frame
	yaw, pitch, roll float64   // degrees
}

// maxCorrectedYaw is the yaw, degrees, up to which the distance between the eyes is corrected. Beyond it the position
// of the far eye is a guess.
const maxCorrectedYaw = 60

// interEyeDistance divides the distance by the cosine of the yaw, as ISO/IEC 29794-5 does: it measures the resolution
// of the face, which does not change when the head turns.
func interEyeDistance() Component {
	return Component{
		Name: InterEyeDistance, Unit: "pixels of the frame",
		Doc:     "Distance between the eyes, corrected for yaw; it grows with resolution and zoom.",
		mapping: logistic{best: 90, centre: 40, width: 12},
		fromLandmarks: func(g geometry) float64 {
			right, left := g.landmarks[0], g.landmarks[1]
			distance := math.Hypot(float64(left[0]-right[0]), float64(left[1]-right[1]))
			return distance / math.Cos(math.Min(math.Abs(g.yaw), maxCorrectedYaw)*math.Pi/180)
		},
	}
}

func headPoseYaw() Component {
	return headPose(HeadPoseYaw, "Turn to the side; positive when the person looks to the right of the image.",
		func(g geometry) float64 { return g.yaw })
}

func headPosePitch() Component {
	return headPose(HeadPosePitch, "Tilt up or down; positive when the person looks down.",
		func(g geometry) float64 { return g.pitch })
}

func headPoseRoll() Component {
	return headPose(HeadPoseRoll, "Lean towards a shoulder; positive when the top of the head leans to the left of the image.",
		func(g geometry) float64 { return g.roll })
}

func headPose(name, doc string, angle func(geometry) float64) Component {
	return Component{Name: name, Unit: "degrees", Doc: doc, mapping: cosineSquared{}, fromLandmarks: angle}
}
