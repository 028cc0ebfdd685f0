package quality

import "facesieve/models"

// HeadPose is the pose of a head that a quality network estimates from the aligned face, with the signs of the
// components.
type HeadPose struct {
	Yaw, Pitch float64 // degrees, -90..90
}

// Pose replaces the components HeadPoseYaw and HeadPosePitch of result, which comes from Geometry or Unassessed, by
// those of the network. Landmarks hardly show a pitch: detectors place the tip of the nose where a face has it on
// average.
func (a *Assessor) Pose(pose HeadPose, result *Assessment) {
	for i, c := range a.components {
		m := &result.Components[i]
		switch c.Name {
		case HeadPoseYaw:
			m.set(c, pose.Yaw)
		case HeadPosePitch:
			m.set(c, pose.Pitch)
		}
	}
}

// poseDecoder decodes one output of the network to a HeadPose.
type poseDecoder struct {
	output int
	zero   int
	scale  float64 // degrees
}

// newPoseDecoder returns the decoder of a network's pose, or nil if the network has none.
func newPoseDecoder(m *models.Manifest) *poseDecoder {
	head := m.Quality.Pose
	if head == nil {
		return nil
	}
	output := m.Outputs[head.Output]
	return &poseDecoder{output: head.Output, zero: output.ZeroPoint, scale: output.Scale}
}

// decode reports no pose if there are no values because the network is closed.
func (d *poseDecoder) decode(stored []int8) (HeadPose, bool) {
	if len(stored) != models.PoseSize {
		return HeadPose{}, false
	}
	degrees := func(k int) float64 { return clampDegrees(float64(int(stored[k])-d.zero) * d.scale) }
	return HeadPose{Yaw: degrees(0), Pitch: degrees(1)}, true
}

func clampDegrees(angle float64) float64 { return max(-90, min(90, angle)) }
