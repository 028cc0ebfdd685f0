//go:build matprofile

package detect

import (
	"image"
	"testing"

	"gocv.io/x/gocv"

	"facesieve/models"
)

// TestNoMatLeaks goes through frames of changing sizes; after Close no Mat is left.
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
	gate := NewMotion(Default())
	for i, size := range []image.Point{{640, 480}, {640, 480}, {1920, 1080}, {320, 200}, {640, 480}} {
		frame := gocv.NewMatWithSize(size.Y, size.X, gocv.MatTypeCV8UC3)
		gate.Moved(seconds(float64(i)), frame)
		if _, err := d.Detect(frame); err != nil {
			t.Error(err)
		}
		if err := frame.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, err := range []error{d.Close(), in.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
	if left := gocv.MatProfile.Count() - before; left != 0 {
		t.Errorf("%d Mats are left", left)
	}
}
