package quality

import "math"

// widestYaw is the yaw, degrees, up to which the distance between the eyes is corrected; beyond, the far eye is guessed.
const widestYaw = 60

// eyeDistance returns the distance between the eyes in pixels of the frame, divided by the cosine of the yaw as in
// ISO/IEC 29794-5: it tells the resolution of the face, and turning away does not change that.
func eyeDistance(landmarks Landmarks, yaw float64) float64 {
	dx, dy := float64(landmarks[1][0]-landmarks[0][0]), float64(landmarks[1][1]-landmarks[0][1])
	return math.Hypot(dx, dy) / math.Cos(math.Min(math.Abs(yaw), widestYaw)*math.Pi/180)
}
