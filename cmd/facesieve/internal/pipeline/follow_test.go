package pipeline

import (
	"image"
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
		faces    int
		lost     int
	}{
		"nothing":       {nil, 0, 0},
		"the face":      {[][4]float32{found[0].Box}, 1, 0},
		"near the face": {[][4]float32{near}, 1, 0},
		"no face":       {[][4]float32{found[0].Box, away}, 1, 1},
		"one for two":   {[][4]float32{found[0].Box, near}, 1, 1},
	} {
		faces, lost, err := e.Follow(frame, test.expected)
		if err != nil || len(faces) != test.faces || len(lost) != test.lost {
			t.Errorf("%s: followed %v, lost %v, %v", name, faces, lost, err)
			continue
		}
		if len(faces) == 0 {
			continue
		}
		if apart := distance(faces[0], found[0]); !faces[0].Refined || apart > 0.2 {
			t.Errorf("%s: %+v, %.2f widths from the detected face", name, faces, apart)
		}
	}
}

// A face is found by a search of the part of the frame around it, also if it reaches out of the part.
func TestFaceInAPart(t *testing.T) {
	frame := faceFrame(t)
	e := smallEngine(t, 0, frame)
	found, err := e.Find(frame, nil)
	if err != nil || len(found) == 0 {
		t.Fatalf("%d faces, %v", len(found), err)
	}
	box := found[0].Box
	whole := image.Rect(int(box[0]), int(box[1]), int(box[0]+box[2]), int(box[1]+box[3]))
	for name, part := range map[string]image.Rectangle{
		"the face":   whole,
		"a corner":   {Min: whole.Min, Max: whole.Min.Add(image.Pt(2, 2))},
		"everything": {Max: image.Pt(frame.Cols(), frame.Rows())},
	} {
		faces, err := e.FindIn(frame, part, nil, nil)
		if err != nil || len(faces) == 0 || distance(faces[0], found[0]) > 0.1 {
			t.Errorf("%s: %+v, %v; in the whole frame %+v", name, faces, err, found)
		}
	}
}

// distance returns how far the centres of two faces are apart horizontally, in widths of the second.
func distance(a, b detect.Face) float32 {
	return max(a.Box[0]+a.Box[2]/2-b.Box[0]-b.Box[2]/2, b.Box[0]+b.Box[2]/2-a.Box[0]-a.Box[2]/2) / b.Box[2]
}
