package main

import (
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"facesieve/detect"
)

func TestPersonGrowsInTheClip(t *testing.T) {
	person := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(0, 0, 255, 0), 480, 640, gocv.MatTypeCV8UC3)
	defer person.Close()
	room := person.Region(backgroundRegion())
	room.SetTo(gocv.NewScalar(255, 0, 0, 0))
	room.Close()
	s := newStage(person)
	defer s.close()
	var red []int
	for _, i := range []int{0, 30, 130} { // an empty room, far away, near
		count := 0
		frame := pixels(s.frame(i))
		for p := 0; p < len(frame); p += 3 {
			if frame[p+2] > 150 && frame[p] < 100 {
				count++
			}
		}
		red = append(red, count)
	}
	if red[0] != 0 || red[1] == 0 || red[2] < 20*red[1] {
		t.Errorf("pixels of the person: %v; want none, few, many", red)
	}
}

// The clip has no hard cut, neither where the light changes nor where the person fills the frame.
func TestClipHasNoCut(t *testing.T) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "gocv.io/x/gocv").Output()
	if err != nil {
		t.Fatalf("find gocv: %v", err)
	}
	person := gocv.IMRead(filepath.Join(strings.TrimSpace(string(module)), "images", "face.jpg"), gocv.IMReadColor)
	defer person.Close()
	s := newStage(person)
	defer s.close()
	cuts := detect.NewCuts()
	for i := range clipFrames {
		frame := s.frame(i)
		if i%3 != 1 && cuts.Cut(frame) { // ten frames a second, as the daemon takes them
			t.Errorf("a cut at frame %d", i)
		}
	}
}

func TestClipNeedsAnImage(t *testing.T) {
	err := renderClip(t.Context(), filepath.Join(t.TempDir(), "absent.jpg"), filepath.Join(t.TempDir(), "x.avi"),
		io.Discard)
	if err == nil || !strings.Contains(err.Error(), "absent.jpg") {
		t.Errorf("error %v, want one that names the file", err)
	}
}

func TestMissingProgramIsExplained(t *testing.T) {
	err := run(t.Context(), []string{"-binary", "absent/facesieve", "-source", "x.mp4", "-out", t.TempDir()}, io.Discard,
		io.Discard)
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("error %v, want one that names make build", err)
	}
}
