// Package quality aligns a face of a frame to an image of 112x112 pixels, measures how well a recogniser will do with
// it (a score of 0..100, components, a reason where it is unfit), and selects which faces of a track are sent.
//
// The steps are separate, because a pipeline stops at the first one that rejects a face: Assessor.Geometry and
// Gates.Check take microseconds, Aligner.Align and Assessor.Pixels tens of them, Scorer.Score runs the network, which
// also measures the pose of the head (Assessor.Pose).
// Selector decides over time. Nothing here starts a goroutine; each value is for one goroutine at a time. README.md
// explains every figure to a technician.
package quality

import (
	"fmt"

	"gocv.io/x/gocv"
)

// Measurement is one component of one face.
type Measurement struct {
	Name   string  // of the Component
	Native float64 // in the unit of the Component; 0 and without meaning if Value is NotAssessed
	Value  float64 // 0..100, higher is better, or NotAssessed
}

// Assessed reports whether the component was measured.
func (m Measurement) Assessed() bool { return m.Value != NotAssessed }

// Assessment is what was measured of one face. In the zero value nothing is assessed.
type Assessment struct {
	// Components are in the order of the function Components, those that were not measured included.
	Components []Measurement
	// Residual is the distance of the aligned landmarks from the template, see Transform.Residual.
	Residual float64
	// Bounds are x, y, width and height, in pixels of the frame, of the face from the brows to the chin, computed from
	// the landmarks. They may reach beyond the frame. All 0: not assessed.
	Bounds [4]float32
}

// Component returns the measurement of the component with that name. It is not assessed if there is none.
func (a Assessment) Component(name string) Measurement {
	for _, m := range a.Components {
		if m.Name == name {
			return m
		}
	}
	return Measurement{Name: name, Value: NotAssessed}
}

// Assessor measures the components of faces. It has scratch memory but no OpenCV matrix, so there is nothing to close.
type Assessor struct {
	components []Component
	pose       *poseEstimator
	pixels     pixels
}

// NewAssessor returns an Assessor of all Components.
func NewAssessor() *Assessor {
	return &Assessor{components: Components(), pose: newPoseEstimator(), pixels: pixels{spans: faceSpans()}}
}

// Unassessed returns the assessment of a face of which nothing was measured: every component is NotAssessed.
func (a *Assessor) Unassessed() Assessment {
	measurements := make([]Measurement, len(a.components))
	for i, c := range a.components {
		measurements[i] = Measurement{Name: c.Name, Value: NotAssessed}
	}
	return Assessment{Components: measurements}
}

// Geometry measures the components of landmarks, which are pixels of the full frame, and residual and bounds. Its yaw
// and pitch are coarse; Pose replaces them. The components of the image are NotAssessed. The error is ErrLandmarks where
// no face can have these landmarks; nothing is assessed then.
func (a *Assessor) Geometry(landmarks Landmarks) (Assessment, error) {
	result := a.Unassessed()
	transform, err := EstimateTransform(landmarks)
	if err != nil {
		return result, err
	}
	g := geometry{landmarks: landmarks}
	if g.yaw, g.pitch, g.roll, err = a.pose.estimate(landmarks); err != nil {
		return result, err
	}
	result.Bounds, result.Residual = faceBox(transform), transform.Residual(landmarks)
	for i, c := range a.components {
		if c.fromLandmarks != nil {
			result.Components[i].set(c, c.fromLandmarks(g))
		}
	}
	return result, nil
}

// Pixels measures the components of the image and writes them into result, which comes from Geometry or Unassessed.
// aligned has Size x Size BGR pixels of 8 bits without gaps between its rows; it is not changed. On an error result is
// unchanged.
func (a *Assessor) Pixels(aligned gocv.Mat, result *Assessment) error {
	if err := a.pixels.fill(aligned); err != nil {
		return fmt.Errorf("assess: %w", err)
	}
	for i, c := range a.components {
		if c.fromPixels != nil {
			result.Components[i].set(c, c.fromPixels(&a.pixels))
		}
	}
	return nil
}

func (m *Measurement) set(c Component, native float64) {
	m.Native, m.Value = native, c.mapping.value(native)
}
