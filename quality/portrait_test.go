package quality

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gocv.io/x/gocv"
)

// portraitLandmarks are those that YuNet finds in images/face.jpg of the gocv module.
var portraitLandmarks = Landmarks{{314.1, 241.1}, {394.6, 241.3}, {349.9, 289.4}, {318.5, 322.8}, {389.0, 324.1}}

// portrait reads an image of the gocv module: one frontal, sharp, well lit face in 640x480 pixels.
func portrait(t testing.TB) gocv.Mat {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "gocv.io/x/gocv").Output()
	if err != nil {
		t.Fatalf("find the gocv module: %v", err)
	}
	file := filepath.Join(strings.TrimSpace(string(dir)), "images", "face.jpg")
	frame := gocv.IMRead(file, gocv.IMReadColor)
	closeLater(t, &frame)
	if frame.Empty() {
		t.Fatalf("cannot read %s", file)
	}
	return frame
}

// alignedPortrait returns the face of portrait, aligned.
func alignedPortrait(t testing.TB) gocv.Mat {
	t.Helper()
	return align(t, portrait(t), portraitLandmarks)
}

func align(t testing.TB, frame gocv.Mat, landmarks Landmarks) gocv.Mat {
	t.Helper()
	aligner := NewAligner()
	defer func() {
		if err := aligner.Close(); err != nil {
			t.Error(err)
		}
	}()
	aligned := newMat(t)
	if _, err := aligner.Align(frame, landmarks, &aligned); err != nil {
		t.Fatal(err)
	}
	return aligned
}

// newMat returns an empty matrix that is closed with the test.
func newMat(t testing.TB) gocv.Mat {
	t.Helper()
	mat := gocv.NewMat()
	closeLater(t, &mat)
	return mat
}

func closeLater(t testing.TB, mat *gocv.Mat) {
	t.Helper()
	t.Cleanup(func() {
		if err := mat.Close(); err != nil {
			t.Error(err)
		}
	})
}

// place returns the landmarks of an aligned face that is rotated by degrees (clockwise in the image), scaled and
// shifted.
func place(degrees, scale, x, y float64) Landmarks {
	return move(Template(), degrees, scale, x, y)
}
