package quality

import (
	"fmt"

	"gocv.io/x/gocv"
)

// Assessor measures the components of faces. It owns scratch memory but no OpenCV matrix, so there is nothing to close.
type Assessor struct {
	spans    [Size]span
	luma     luma
	sharp    sharpener
	poser    *poser
	mappings [4]Mapping
}

// NewAssessor returns an Assessor with the parameters of Mappings.
func NewAssessor() *Assessor {
	return &Assessor{spans: faceSpans(), poser: newPoser(), mappings: Mappings()}
}

// Assess measures everything: Geometry of landmarks, pixels of the full frame, and Pixels of the aligned face.
func (a *Assessor) Assess(aligned gocv.Mat, landmarks Landmarks) (Assessment, error) {
	assessment, err := a.Geometry(landmarks)
	if err != nil {
		return Unassessed(), err
	}
	if err := a.Pixels(aligned, &assessment); err != nil {
		return Unassessed(), err
	}
	return assessment, nil
}

// Geometry measures what the landmarks tell, pixels of the full frame: distance between the eyes, head pose, residual. The
// components of the picture are NotAssessed.
func (a *Assessor) Geometry(landmarks Landmarks) (Assessment, error) {
	transform, err := EstimateTransform(landmarks)
	if err != nil {
		return Unassessed(), err
	}
	yaw, pitch, roll, err := a.poser.estimate(landmarks)
	if err != nil {
		return Unassessed(), err
	}
	result := Unassessed()
	result.Bounds = faceBox(transform)
	result.Raw = Measures{
		EyeDistance: eyeDistance(landmarks, yaw),
		Yaw:         yaw, Pitch: pitch, Roll: roll,
		Residual: transform.Residual(landmarks),
	}
	c := &result.Components
	c.InterEyeDistance = a.mappings[3].Value(result.Raw.EyeDistance)
	c.HeadPoseYaw, c.HeadPosePitch, c.HeadPoseRoll = poseValue(yaw), poseValue(pitch), poseValue(roll)
	return result, nil
}

// Pixels measures the aligned face, Size x Size BGR pixels without gaps (borrowed), and adds it to result: sharpness and
// exposure. On an error result is as it was.
func (a *Assessor) Pixels(aligned gocv.Mat, result *Assessment) error {
	if err := a.luma.fill(aligned); err != nil {
		return fmt.Errorf("assess: %w", err)
	}
	raw, c := &result.Raw, &result.Components
	raw.Sharpness = a.sharp.measure(&a.luma, &a.spans)
	levels := a.luma.histogram(&a.spans)
	raw.UnderExposure, raw.OverExposure = underExposure(&levels), overExposure(&levels)
	c.Sharpness = a.mappings[0].Value(raw.Sharpness)
	c.UnderExposurePrevention = a.mappings[1].Value(raw.UnderExposure)
	c.OverExposurePrevention = a.mappings[2].Value(raw.OverExposure)
	return nil
}
