//go:build matprofile

package capture

import (
	"encoding/binary"
	"testing"

	"gocv.io/x/gocv"
)

// No Mat leaks when a picture is rotated, damaged or too large.
func TestNoMatLeaksOfPictures(t *testing.T) {
	file := encode(t, noise(t, 96, 64), gocv.JPEGFileExt)
	before := gocv.MatProfile.Count()
	m := gocv.NewMat()
	for o := range uint16(9) {
		if err := decodePicture(jpegWith(file, exifOf(binary.BigEndian, o)), 1<<20, &m); err != nil {
			t.Error(err)
		}
	}
	if decodePicture(file[:len(file)/2], 1<<20, &m) == nil || decodePicture(file, 1, &m) == nil {
		t.Error("no error")
	}
	_ = m.Close()
	if got := gocv.MatProfile.Count(); got != before {
		t.Errorf("%d Mats, %d before", got, before)
	}
}
