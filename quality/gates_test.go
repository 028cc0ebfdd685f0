package quality

import (
	"image"
	"math"
	"testing"
)

// measured returns an assessment with a value of Sharpness, native measures of the others, and a residual.
func measured(sharpness, eyes, yaw, pitch, roll, residual float64) Assessment {
	return Assessment{Residual: residual, Components: []Measurement{
		{Name: Sharpness, Value: sharpness},
		{Name: InterEyeDistance, Native: eyes},
		{Name: HeadPoseYaw, Native: yaw},
		{Name: HeadPosePitch, Native: pitch},
		{Name: HeadPoseRoll, Native: roll},
	}}
}

func TestGates(t *testing.T) {
	frame, box := image.Pt(640, 480), [4]float32{100, 100, 50, 60}
	good := measured(80, 30, 0, 0, 0, 3)
	nan := math.NaN()
	for name, c := range map[string]struct {
		box  [4]float32
		face Assessment
		want Reason
	}{
		"good":              {box, good, ""},
		"touches left":      {[4]float32{0, 100, 50, 60}, good, ReasonEdge},
		"over the top":      {[4]float32{100, -3, 50, 60}, good, ReasonEdge},
		"touches right":     {[4]float32{590, 100, 50, 60}, good, ReasonEdge},
		"over the bottom":   {[4]float32{100, 430, 50, 60}, good, ReasonEdge},
		"no box":            {[4]float32{float32(nan), 0, 0, 0}, good, ReasonEdge},
		"small":             {box, measured(80, 9.9, 0, 0, 0, 3), ReasonTooSmall},
		"yaw":               {box, measured(80, 30, -61, 0, 0, 3), ReasonPose},
		"pitch":             {box, measured(80, 30, 0, 46, 0, 3), ReasonPose},
		"roll":              {box, measured(80, 30, 0, 0, 61, 3), ReasonPose},
		"residual":          {box, measured(80, 30, 0, 0, 0, 14.1), ReasonPose},
		"yaw is no number":  {box, measured(80, 30, nan, 0, 0, 3), ReasonPose},
		"blurred":           {box, measured(9, 30, 0, 0, 0, 3), ReasonTooBlurred},
		"not assessed":      {box, NewAssessor().Unassessed(), ""},
		"small and blurred": {box, measured(0, 5, 0, 0, 0, 3), ReasonTooSmall},
	} {
		if got := Default().Gates.Check(frame, c.box, c.face); got != c.want {
			t.Errorf("%s: %q, expected %q", name, got, c.want)
		}
	}
}

func TestOpenGates(t *testing.T) {
	open := Gates{MaxYaw: 90, MaxPitch: 90, MaxRoll: 180, MaxResidual: Size, EdgeMargin: -1}
	worst := measured(0, 0, -89, 89, 180, 50)
	worst.Bounds = [4]float32{-90, -90, 50, 50}
	if got := open.Check(image.Pt(10, 10), [4]float32{-50, -50, 20, 20}, worst); got != "" {
		t.Errorf("open gates reject for %q", got)
	}
}

func TestEdgeMargin(t *testing.T) {
	frame, box := image.Pt(640, 480), [4]float32{10, 100, 50, 60}
	for margin, want := range map[float64]Reason{0: "", 0.19: "", 0.21: ReasonEdge, -0.2: ""} {
		if got := (Gates{EdgeMargin: margin}).Check(frame, box, Assessment{}); got != want {
			t.Errorf("margin %g: %q", margin, got)
		}
	}
	outside := [4]float32{-9, 100, 50, 60}
	for margin, want := range map[float64]Reason{0: ReasonEdge, -0.1: ReasonEdge, -0.2: ""} {
		if got := (Gates{EdgeMargin: margin}).Check(frame, outside, Assessment{}); got != want {
			t.Errorf("9 of 50 pixels outside, margin %g: %q", margin, got)
		}
	}
}

// A face half outside the frame is rejected although the detector fitted the box to the half that is inside.
func TestEdgeOfAFaceWithAFittedBox(t *testing.T) {
	frame := image.Pt(480, 720)
	box := [4]float32{135, 3, 284, 274}
	landmarks := Landmarks{{212, 20}, {349, 32}, {273, 102}, {207, 161}, {328, 169}} // YuNet's, on a real recording
	face, err := NewAssessor().Geometry(landmarks)
	if err != nil {
		t.Fatal(err)
	}
	gates := Default().Gates
	if got := gates.Check(frame, box, face); got != ReasonEdge {
		t.Errorf("a face without forehead: %q", got)
	}
	gates.EdgeMargin = -0.5
	if got := gates.Check(frame, box, face); got != "" {
		t.Errorf("with half of it allowed outside: %q", got)
	}
}

func TestFaceBox(t *testing.T) {
	for degrees, want := range map[float64][4]float64{
		0:  {2*(faceCentreX-faceRadiusX) + 50, 2*(faceCentreY-faceRadiusY) + 60, 4 * faceRadiusX, 4 * faceRadiusY},
		90: {-2*(faceCentreY+faceRadiusY) + 50, 2*(faceCentreX-faceRadiusX) + 60, 4 * faceRadiusY, 4 * faceRadiusX},
	} {
		transform, err := EstimateTransform(place(degrees, 2, 50, 60))
		if err != nil {
			t.Fatal(err)
		}
		got := faceBox(transform)
		for i := range want {
			if math.Abs(float64(got[i])-want[i]) > 0.01 {
				t.Errorf("turned by %g: %v, expected %v", degrees, got, want)
				break
			}
		}
	}
}

// Coarse gates accept what refined landmarks may improve, and reject a face at the border or much too small.
func TestCoarseGates(t *testing.T) {
	frame, box := image.Pt(640, 480), [4]float32{100, 100, 50, 60}
	gates := Default().Gates.Coarse()
	for name, c := range map[string]struct {
		box  [4]float32
		face Assessment
		want Reason
	}{
		"border":    {[4]float32{0, 100, 50, 60}, Assessment{}, ReasonEdge},
		"too small": {box, measured(80, 6.9, 0, 0, 0, 0), ReasonTooSmall},
		"nearly":    {box, measured(80, 7.1, 80, -80, 170, 50), ""},
		"no face":   {box, NewAssessor().Unassessed(), ""},
	} {
		if got := gates.Check(frame, c.box, c.face); got != c.want {
			t.Errorf("%s: %q, expected %q", name, got, c.want)
		}
	}
}
