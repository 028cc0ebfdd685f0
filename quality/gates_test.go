package quality

import (
	"image"
	"math"
	"testing"
)

func TestGates(t *testing.T) {
	frame, box := image.Pt(640, 480), [4]float32{100, 100, 50, 60}
	good := Assessment{Components: Components{Sharpness: 80}, Raw: Measures{EyeDistance: 30, Residual: 3}}
	with := func(change func(*Assessment)) Assessment {
		face := good
		change(&face)
		return face
	}
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
		"small":             {box, with(func(f *Assessment) { f.Raw.EyeDistance = 9.9 }), ReasonTooSmall},
		"yaw":               {box, with(func(f *Assessment) { f.Raw.Yaw = -61 }), ReasonPose},
		"pitch":             {box, with(func(f *Assessment) { f.Raw.Pitch = 46 }), ReasonPose},
		"roll":              {box, with(func(f *Assessment) { f.Raw.Roll = 61 }), ReasonPose},
		"residual":          {box, with(func(f *Assessment) { f.Raw.Residual = 14.1 }), ReasonPose},
		"yaw is no number":  {box, with(func(f *Assessment) { f.Raw.Yaw = nan }), ReasonPose},
		"blurred":           {box, with(func(f *Assessment) { f.Components.Sharpness = 9 }), ReasonTooBlurred},
		"not assessed":      {box, Unassessed(), ""},
		"small and blurred": {box, with(func(f *Assessment) { f.Raw.EyeDistance, f.Components.Sharpness = 5, 0 }), ReasonTooSmall},
	} {
		if got := Default().Gates.Check(frame, c.box, c.face); got != c.want {
			t.Errorf("%s: %q, expected %q", name, got, c.want)
		}
	}
}

func TestGatesWideOpen(t *testing.T) {
	open := Gates{MaxYaw: 90, MaxPitch: 90, MaxRoll: 180, MaxResidual: Size, EdgeMargin: -1}
	worst := Assessment{Raw: Measures{Yaw: -89, Pitch: 89, Roll: 180, Residual: 50}, Bounds: [4]float32{-90, -90, 50, 50}}
	if got := open.Check(image.Pt(10, 10), [4]float32{-50, -50, 20, 20}, worst); got != "" {
		t.Errorf("open gates reject for %q", got)
	}
}

func TestEdgeMargin(t *testing.T) {
	frame, box := image.Pt(640, 480), [4]float32{10, 100, 50, 60}
	for margin, want := range map[float64]Reason{0: "", 0.19: "", 0.21: ReasonEdge, -0.2: ""} {
		if got := (Gates{EdgeMargin: margin}).Check(frame, box, Unassessed()); got != want {
			t.Errorf("margin %g: %q", margin, got)
		}
	}
	outside := [4]float32{-9, 100, 50, 60}
	for margin, want := range map[float64]Reason{0: ReasonEdge, -0.1: ReasonEdge, -0.2: ""} {
		if got := (Gates{EdgeMargin: margin}).Check(frame, outside, Unassessed()); got != want {
			t.Errorf("9 of 50 pixels outside, margin %g: %q", margin, got)
		}
	}
}

// A face half out of the frame, with a box that a detector fitted to the other half.
func TestEdgeSeesThroughFittedBox(t *testing.T) {
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

// TestCoarseGates: what better landmarks may save passes, what is at the border or far too small does not.
func TestCoarseGates(t *testing.T) {
	frame, box := image.Pt(640, 480), [4]float32{100, 100, 50, 60}
	gates := Default().Gates.Coarse()
	for name, c := range map[string]struct {
		box  [4]float32
		face Assessment
		want Reason
	}{
		"border":    {[4]float32{0, 100, 50, 60}, Unassessed(), ReasonEdge},
		"too small": {box, Assessment{Raw: Measures{EyeDistance: 6.9}}, ReasonTooSmall},
		"nearly":    {box, Assessment{Raw: Measures{EyeDistance: 7.1, Yaw: 80, Pitch: -80, Roll: 170, Residual: 50}}, ""},
		"no face":   {box, Unassessed(), ""},
	} {
		if got := gates.Check(frame, c.box, c.face); got != c.want {
			t.Errorf("%s: %q, expected %q", name, got, c.want)
		}
	}
}
