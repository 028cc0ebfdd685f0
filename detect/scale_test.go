package detect

import (
	"image"
	"testing"

	"gocv.io/x/gocv"
)

// TestScale: the input of the network is the frame at the upper left, close to area interpolation, and black elsewhere.
func TestScale(t *testing.T) {
	cfg := Default()
	cfg.Input = 320
	d := testDetector(t, cfg)
	for _, size := range []image.Point{
		{1920, 1080}, {2592, 1944}, {641, 479}, {640, 640}, {320, 200}, {333, 100}, {90, 70}, {320, 200},
	} {
		frame := smooth(t, size)
		if _, err := d.Detect(frame); err != nil {
			t.Fatal(err)
		}
		scaled, padded := inputSize(size, cfg.Input, 32)
		if d.padded.Cols() != padded.X || d.padded.Rows() != padded.Y {
			t.Fatalf("%v: the input has %dx%d, wanted %v", size, d.padded.Cols(), d.padded.Rows(), padded)
		}
		want := gocv.NewMat()
		gocv.Resize(frame, &want, scaled, 0, 0, gocv.InterpolationArea)
		worst := 0
		for y := range padded.Y {
			for x := range padded.X {
				for c := range 3 {
					expected := 0
					if x < scaled.X && y < scaled.Y {
						expected = int(want.GetUCharAt(y, x*3+c))
					}
					difference := int(d.padded.GetUCharAt(y, x*3+c)) - expected
					worst = max(worst, difference, -difference)
				}
			}
		}
		if worst > 4 {
			t.Errorf("%v: a pixel differs by %d", size, worst)
		}
		if err := want.Close(); err != nil {
			t.Error(err)
		}
	}
}

// smooth returns a frame of gradients, without detail that scaling removes.
func smooth(t *testing.T, size image.Point) gocv.Mat {
	frame := pattern(t, size.X, size.Y)
	pixels, err := frame.DataPtrUint8()
	if err != nil {
		t.Fatal(err)
	}
	for i := range pixels {
		x, y := i/3%size.X, i/3/size.X
		pixels[i] = byte(20 + 200*x/size.X*(i%3)/2 + 30*y/size.Y)
	}
	return frame
}
