package detect

import (
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"gocv.io/x/gocv"
)

// A window contains its part with the margin, as far as the frame reaches, at the scale of the whole frame.
func TestWindows(t *testing.T) {
	random, smaller := rand.New(rand.NewPCG(1, 2)), 0
	for _, frame := range []image.Point{{1920, 1080}, {1080, 1920}, {768, 432}, {480, 270}, {641, 641}, {3000, 40}} {
		whole := wholeWindow(frame, 640, 32)
		scale := float64(frame.X) / float64(whole.scaled.X)
		for range 500 {
			x, y := random.IntN(frame.X), random.IntN(frame.Y)
			part := image.Rect(x, y, x+1+random.IntN(frame.X/2), y+1+random.IntN(frame.Y/2)).Intersect(whole.part)
			win, ok := windowAround(part, frame, 640, 32)
			if !ok {
				continue
			}
			smaller++
			margin := int(windowMargin*scale) - 2 // the corners are rounded to pixels
			wanted := part.Inset(-margin).Intersect(whole.part.Inset(1))
			if !wanted.In(win.part) || !win.part.In(whole.part) {
				t.Fatalf("frame %v, part %v: window %v", frame, part, win.part)
			}
			across := float64(win.part.Dx()) / float64(win.scaled.X)
			if math.Abs(across-scale)*float64(win.scaled.X) > 2 {
				t.Fatalf("frame %v, part %v: %v is scaled to %v", frame, part, win.part, win.scaled)
			}
			if win.padded.X%32 != 0 || win.padded.Y%32 != 0 || win.padded.X > whole.padded.X || win.padded.Y > whole.padded.Y {
				t.Fatalf("frame %v, part %v: input of %v", frame, part, win.padded)
			}
		}
	}
	if smaller < 500 {
		t.Errorf("only %d windows are smaller than their frames", smaller)
	}
}

// No window is worth it for an empty part, a large one, and a network of one size only.
func TestNoWindow(t *testing.T) {
	frame := image.Pt(1920, 1080)
	for name, test := range map[string]struct {
		part     image.Rectangle
		multiple int
	}{
		"empty":         {image.Rectangle{}, 32},
		"outside":       {image.Rect(2000, 0, 2100, 100), 32},
		"large":         {image.Rect(0, 0, 1500, 1000), 32},
		"fixed network": {image.Rect(100, 100, 200, 200), 0},
	} {
		if win, ok := windowAround(test.part, frame, 640, test.multiple); ok {
			t.Errorf("%s: %+v", name, win)
		}
	}
}

// A face at the border of the window is cut, but not one at the border of the frame.
func TestCutFaces(t *testing.T) {
	win := window{part: image.Rect(0, 100, 300, 400)}
	for name, test := range map[string]struct {
		face Face
		cut  bool
	}{
		"inside":          {at(150, 250, 50, 0.9), false},
		"above":           {at(150, 110, 50, 0.9), true},
		"below":           {at(150, 395, 50, 0.9), true},
		"right":           {at(290, 250, 50, 0.9), true},
		"at the left end": {at(10, 250, 50, 0.9), false},
	} {
		if _, cut := win.divide([]Face{test.face}, image.Pt(800, 600)); (len(cut) > 0) != test.cut {
			t.Errorf("%s: cut %v", name, cut)
		}
	}
}

// A face is found in a part of a frame as it is in the whole frame. If it reaches out of the part, the result is valid
// only if the face is known.
func TestDetectIn(t *testing.T) {
	cfg := Default()
	cfg.Input = 256
	whole, parts := embeddedDetector(t, cfg), embeddedDetector(t, cfg)
	frame := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(90, 100, 110, 0), 512, 768, gocv.MatTypeCV8UC3)
	defer func() { _ = frame.Close() }()
	view := frame.Region(image.Rect(400, 200, 528, 328))
	defer func() { _ = view.Close() }()
	face := portraits(t, 1<<20)[0].Region(image.Rect(64, 64, 192, 192))
	defer func() { _ = face.Close() }()
	face.CopyTo(&view)
	all, err := whole.Detect(frame)
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	b := all[0].Box
	place := image.Rect(int(b[0]), int(b[1]), int(b[0]+b[2]), int(b[1]+b[3]))
	found, ok, err := parts.DetectIn(frame, place, nil)
	if err != nil || !ok || len(found) != 1 {
		t.Fatalf("%+v, %v, %v", found, ok, err)
	}
	if union, _ := overlap(found[0].Box, b); union < 0.8 || math.Abs(float64(found[0].Score-all[0].Score)) > 0.1 {
		t.Errorf("%+v, in the whole frame %+v", found[0], all[0])
	}
	corner := image.Rectangle{Min: place.Min.Sub(image.Pt(100, 100)), Max: place.Min.Sub(image.Pt(60, 60))}
	for name, known := range map[string][][4]float32{"unknown": nil, "known": {b}} {
		faces, ok, err := parts.DetectIn(frame, corner, known)
		if err != nil || ok != (known != nil) || known != nil && len(faces) > 0 {
			t.Errorf("%s: %+v, %v, %v", name, faces, ok, err)
		}
	}
}
