package detect

import (
	"math"
	"slices"
	"testing"
)

func box(x, y, w, h, score float32) Face { return Face{Box: [4]float32{x, y, w, h}, Score: score} }

func TestOverlap(t *testing.T) {
	for _, test := range []struct {
		a, b           [4]float32
		union, smaller float64
	}{
		{[4]float32{0, 0, 10, 10}, [4]float32{0, 0, 10, 10}, 1, 1},
		{[4]float32{0, 0, 10, 10}, [4]float32{5, 0, 10, 10}, 1.0 / 3, 0.5},
		{[4]float32{0, 0, 10, 10}, [4]float32{10, 0, 10, 10}, 0, 0},
		{[4]float32{0, 0, 10, 10}, [4]float32{2, 2, 5, 5}, 0.25, 1},
		{[4]float32{-5, -5, 10, 10}, [4]float32{0, 0, 10, 10}, 25.0 / 175, 0.25},
		{[4]float32{0, 0, 0, 0}, [4]float32{0, 0, 0, 0}, 0, 0},
	} {
		union, smaller := overlap(test.a, test.b)
		if math.Abs(union-test.union) > 1e-6 || math.Abs(smaller-test.smaller) > 1e-6 {
			t.Errorf("%v and %v: %g and %g", test.a, test.b, union, smaller)
		}
	}
}

func TestSuppress(t *testing.T) {
	faces := []Face{
		box(100, 100, 40, 50, 0.7),
		box(102, 101, 40, 50, 0.9), // the best of the first three
		box(98, 99, 40, 50, 0.7),
		box(130, 100, 40, 50, 0.8), // overlaps too little
		box(300, 100, 40, 50, 0.4),
		box(305, 110, 20, 25, 0.3), // within the one before
		box(90, 70, 90, 120, 0.3),  // around two
	}
	kept := suppress(slices.Clone(faces), 0.4)
	if len(kept) != 3 || kept[0].Score != 0.9 || kept[1] != faces[3] || kept[2] != faces[4] {
		t.Errorf("kept %v", kept)
	}
	if len(suppress(nil, 0.4)) != 0 {
		t.Error("something of nothing")
	}
}

// TestSuppressMean: a kept face is the weighted mean of its own candidates, without other faces and faces inside it.
func TestSuppressMean(t *testing.T) {
	at := func(x, score float32) Face {
		face := box(x, 50, 40, 40, score)
		for i := range face.Landmarks {
			face.Landmarks[i] = [2]float32{x + float32(i), 60}
		}
		return face
	}
	kept := suppress([]Face{at(100, 0.8), at(104, 0.4), at(126, 0.6), box(110, 60, 20, 20, 0.7)}, 0.4)
	if len(kept) != 2 || kept[1] != at(126, 0.6) {
		t.Fatalf("kept %v", kept)
	}
	x := (100*0.64 + 104*0.16) / 0.8
	for i, p := range kept[0].Landmarks {
		if math.Abs(float64(p[0])-x-float64(i)) > 1e-3 || math.Abs(float64(p[1])-60) > 1e-3 {
			t.Errorf("landmark %d at %v, wanted %g", i, p, x+float64(i))
		}
	}
	left, width := float64(kept[0].Box[0]), float64(kept[0].Box[2])
	if math.Abs(left-x) > 1e-3 || math.Abs(width-40) > 1e-3 || kept[0].Score != 0.8 {
		t.Errorf("kept %v", kept[0])
	}
}

// TestSuppressTies: of equal scores the first one is kept, and all have the same weight.
func TestSuppressTies(t *testing.T) {
	var faces []Face
	for i := range 50 {
		faces = append(faces, box(float32(i%2), 0, 30, 30, 0.5), box(float32(100+i%3), 0, 30, 30, 0.5))
	}
	kept := suppress(faces, 0.4)
	if len(kept) != 2 || kept[0].Box[0] != 0.5 || math.Abs(float64(kept[1].Box[0])-101) > 0.1 {
		t.Errorf("kept %v", kept)
	}
}

func TestSuppressBounds(t *testing.T) {
	faces := make([]Face, 3*maxCandidates)
	for i := range faces {
		faces[i] = box(float32(i*100), 0, 10, 10, float32(i)/float32(len(faces)))
	}
	kept := suppress(faces, 0.4)
	if len(kept) != maxCandidates || kept[0].Box[0] != float32((3*maxCandidates-1)*100) {
		t.Errorf("kept %d, the first %v", len(kept), kept[0])
	}
}
