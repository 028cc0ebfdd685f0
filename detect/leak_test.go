//go:build matprofile

package detect

import (
	"image"
	"testing"

	"gocv.io/x/gocv"

	"facesieve/models"
)

// TestNoMatLeaks: after frames of several sizes with faces inside, at the border and outside, Close frees every Mat.
func TestNoMatLeaks(t *testing.T) {
	before := gocv.MatProfile.Count()
	m, err := models.Load("../models/testdata/detector.tflite")
	if err != nil {
		t.Fatal(err)
	}
	in, err := models.NewInterpreter(m, models.DefaultRuntime())
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDetector(Default(), in)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = models.Embedded(models.TaskLandmarks); err != nil {
		t.Fatal(err)
	}
	marking, err := models.NewInterpreter(m, models.DefaultRuntime())
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRefiner(Default(), marking)
	if err != nil {
		t.Fatal(err)
	}
	gate := NewMotion(Default())
	for i, size := range []image.Point{{640, 480}, {640, 480}, {1920, 1080}, {320, 200}, {640, 480}} {
		frame := gocv.NewMatWithSize(size.Y, size.X, gocv.MatTypeCV8UC3)
		gate.Selects(seconds(float64(i)), frame)
		if _, err := d.Detect(frame); err != nil {
			t.Error(err)
		}
		for _, box := range [][4]float32{
			{100, 80, 60, 60}, {-30, -30, 60, 90}, {250, 150, 300, 300}, {100, 40, 150, 200}, {-500, 0, 60, 60},
		} {
			if _, err := r.Refine(frame, Face{Box: box}); err != nil {
				t.Error(err)
			}
		}
		if err := frame.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, err := range []error{r.Close(), d.Close(), in.Close(), marking.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
	if left := gocv.MatProfile.Count() - before; left != 0 {
		t.Errorf("%d Mats are left", left)
	}
}
