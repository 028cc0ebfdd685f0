package quality

import (
	"image"
	"math"
	"reflect"
	"testing"
	"time"
)

// Misses has every limit that a face misses, first the one that Check returns, with the configured limit.
func TestMisses(t *testing.T) {
	frame, box := image.Pt(640, 480), [4]float32{-10, 100, 50, 60}
	gates := Default().Gates
	gates.EdgeMargin = -0.1
	worst := measured(7.2, 9.5, -61, 46, 180, 14.1)
	want := []Miss{
		{ReasonEdge, "gates.edge_margin", "BorderDistance", -20, -10, "%"},
		{ReasonTooSmall, "gates.min_eye_distance", "InterEyeDistance", 9.5, 10, "px"},
		{ReasonPose, "gates.max_yaw", "HeadPoseYaw", -61, 60, "deg"},
		{ReasonPose, "gates.max_pitch", "HeadPosePitch", 46, 45, "deg"},
		{ReasonPose, "gates.max_roll", "HeadPoseRoll", 180, 60, "deg"},
		{ReasonPose, "gates.max_residual", "LandmarkResidual", 14.1, 14, "px"},
		{ReasonTooBlurred, "gates.min_sharpness", "Sharpness", 7.2, 10, ""},
	}
	if got := gates.Misses(frame, box, worst); !reflect.DeepEqual(got, want) || gates.Check(frame, box, worst) != ReasonEdge {
		t.Errorf("%+v", got)
	}
	box[0] = 100
	if got := gates.Misses(frame, box, measured(7.2, 30, 0, 0, 0, 3)); !reflect.DeepEqual(got, want[6:]) {
		t.Errorf("%+v", got)
	}
}

// Coarse misses are those of the coarse gates, with the limits of the others.
func TestCoarseMisses(t *testing.T) {
	frame, box := image.Pt(640, 480), [4]float32{100, 100, 50, 60}
	gates := Default().Gates
	want := []Miss{{ReasonTooSmall, "gates.min_eye_distance", "InterEyeDistance", 6.9, 10, "px"}}
	if got := gates.CoarseMisses(frame, box, measured(0, 6.9, 80, 80, 0, 50)); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got := gates.CoarseMisses(frame, box, measured(0, 7.1, 80, 80, 0, 50)); got != nil {
		t.Errorf("%+v", got)
	}
}

// A face that misses no limit costs no allocation.
func TestMissesOfAGoodFaceAllocateNothing(t *testing.T) {
	frame, box := image.Pt(640, 480), [4]float32{100, 100, 50, 60}
	gates, good := Default().Gates, measured(80, 30, 0, 0, 0, 3)
	if n := testing.AllocsPerRun(100, func() { gates.Misses(frame, box, good) }); n > 0 {
		t.Errorf("%g allocations", n)
	}
}

func TestMissesThatAreNoGates(t *testing.T) {
	if got, want := ScoreMiss(18, 20), (Miss{ReasonLowQuality, "threshold", "Score", 18, 20, ""}); got != want {
		t.Errorf("%+v", got)
	}
	want := Miss{ReasonStatic, "visit.static", "StillTime", 121.5, 120, "s"}
	if got := StillMiss(121500*time.Millisecond, 2*time.Minute); got != want {
		t.Errorf("%+v", got)
	}
	for _, measured := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if ScoreMiss(measured, 20).Finite() {
			t.Errorf("%g is finite", measured)
		}
	}
}
