package quality

import (
	"encoding/json"
	"image"
	"math"
	"os"
	"path/filepath"
	"testing"

	"gocv.io/x/gocv"
)

// The training tool wrote the poses of the test images (pose/stage_test.py). Both run the same kernels.
func TestPosesAgreeWithTheTrainingTool(t *testing.T) {
	const tolerance = 0.01 // degrees
	text, err := os.ReadFile(filepath.Join("testdata", "poses.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Images []int        `json:"images"`
		Poses  [][2]float64 `json:"poses"`
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	scorer, _ := embeddedScorer(t)
	for i, k := range golden.Images {
		embed(t, scorer, testImage(t, k))
		pose, ok := scorer.Pose()
		want := golden.Poses[i]
		if !ok || math.Abs(pose.Yaw-want[0]) > tolerance || math.Abs(pose.Pitch-want[1]) > tolerance {
			t.Errorf("test image %d: yaw %.4f, pitch %.4f, known: %t; the training tool has %.4f",
				k, pose.Yaw, pose.Pitch, ok, want)
		}
	}
}

// The pose of a mirrored face has the opposite yaw. The portrait is nearly frontal.
func TestPoseOfAPortrait(t *testing.T) {
	scorer, _ := embeddedScorer(t)
	face, mirrored := alignedPortrait(t), newMat(t)
	gocv.Flip(face, &mirrored, 1)
	var poses []HeadPose
	for _, aligned := range []gocv.Mat{face, mirrored} {
		embed(t, scorer, aligned)
		pose, ok := scorer.Pose()
		if !ok || math.Abs(pose.Yaw) > 15 || math.Abs(pose.Pitch) > 15 {
			t.Errorf("known: %t, %+v", ok, pose)
		}
		poses = append(poses, pose)
	}
	if a, b := poses[0], poses[1]; math.Abs(a.Yaw+b.Yaw) > 8 || math.Abs(a.Pitch-b.Pitch) > 8 {
		t.Errorf("portrait %+v, mirrored %+v", a, b)
	}
}

func TestPoseOfAFailedScoreIsNone(t *testing.T) {
	scorer, network := embeddedScorer(t)
	if _, ok := scorer.Pose(); ok {
		t.Error("a pose before the first score")
	}
	embed(t, scorer, alignedPortrait(t))
	small := gocv.NewMatWithSize(96, 96, gocv.MatTypeCV8UC3)
	closeLater(t, &small)
	if _, err := scorer.Score(small); err == nil {
		t.Fatal("96x96 pixels are scored")
	}
	if _, ok := scorer.Pose(); ok {
		t.Error("a pose after a failed score")
	}
	manifest := *network.Manifest()
	head := *manifest.Quality
	head.Pose = nil
	manifest.Quality = &head
	if newPoseDecoder(&manifest) != nil {
		t.Error("a decoder for a network without a pose")
	}
}

// The network's yaw and pitch replace those of the landmarks; roll stays.
func TestPoseComponents(t *testing.T) {
	assessor := NewAssessor()
	result, err := assessor.Geometry(ownHead().project(20, 0, 30, 0))
	if err != nil {
		t.Fatal(err)
	}
	before := result.Component(HeadPoseRoll)
	assessor.Pose(HeadPose{Yaw: 40, Pitch: -30}, &result)
	for name, want := range map[string]float64{HeadPoseYaw: 40, HeadPosePitch: -30} {
		got, cosine := result.Component(name), math.Cos(want*math.Pi/180)
		if math.Abs(got.Native-want) > 0.1 || math.Abs(got.Value-100*cosine*cosine) > 0.2 {
			t.Errorf("%s: %+v, expected %g degrees", name, got, want)
		}
	}
	if after := result.Component(HeadPoseRoll); after != before {
		t.Errorf("roll was %+v, is %+v", before, after)
	}
	aligned := assessor.Unassessed()
	assessor.Pose(HeadPose{Yaw: 40, Pitch: -30}, &aligned)
	if got := aligned.Component(HeadPoseYaw).Native; got != 40 {
		t.Errorf("without landmarks the yaw is %g, the network's is 40", got)
	}
	if aligned.Component(HeadPoseRoll).Assessed() {
		t.Error("roll is assessed without landmarks")
	}
}

// A face whose landmarks show nothing of its pitch is rejected once the network has measured it.
func TestPitchGateAfterTheNetwork(t *testing.T) {
	assessor := NewAssessor()
	result, err := assessor.Geometry(ownHead().project(0, 0, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	gates, frame, box := Default().Gates, image.Pt(1920, 1080), [4]float32{400, 300, 200, 260}
	check := func() Reason { return gates.Check(frame, box, result) }
	if got := check(); got != "" {
		t.Fatalf("before: %q", got)
	}
	assessor.Pose(HeadPose{Pitch: gates.MaxPitch - 1}, &result)
	if got := check(); got != "" {
		t.Errorf("a degree below the limit: %q", got)
	}
	assessor.Pose(HeadPose{Pitch: gates.MaxPitch + 1}, &result)
	if got := check(); got != ReasonPose {
		t.Errorf("a degree above the limit: %q", got)
	}
}
