package pipeline

import (
	"testing"

	"facesieve/detect"
)

// A face is followed to where it is expected, also if that is some pixels away. A face that is not there, or that is
// expected twice, is not followed.
func TestFollowedFaces(t *testing.T) {
	frame := faceFrame(t)
	e := smallEngine(t, 0, frame)
	found, err := e.Find(frame, nil)
	if err != nil || len(found) == 0 {
		t.Fatalf("%d faces, %v", len(found), err)
	}
	near, away := found[0].Box, found[0].Box
	near[0] += near[2] / 10
	away[0], away[1] = 0, 0
	for name, test := range map[string]struct {
		expected [][4]float32
		want     bool
	}{
		"nothing":       {nil, true},
		"the face":      {[][4]float32{found[0].Box}, true},
		"near the face": {[][4]float32{near}, true},
		"no face":       {[][4]float32{found[0].Box, away}, false},
		"one for two":   {[][4]float32{found[0].Box, near}, false},
	} {
		faces, ok, err := e.Follow(frame, test.expected)
		if err != nil || ok != test.want {
			t.Errorf("%s: followed %v, %v", name, ok, err)
		}
		if !ok || len(test.expected) == 0 {
			continue
		}
		if apart := distance(faces[0], found[0]); len(faces) != 1 || !faces[0].Refined || apart > 0.2 {
			t.Errorf("%s: %+v, %.2f widths from the detected face", name, faces, apart)
		}
	}
}

// distance returns how far the centres of two faces are apart horizontally, in widths of the second.
func distance(a, b detect.Face) float32 {
	return max(a.Box[0]+a.Box[2]/2-b.Box[0]-b.Box[2]/2, b.Box[0]+b.Box[2]/2-a.Box[0]-a.Box[2]/2) / b.Box[2]
}
