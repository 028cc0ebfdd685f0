package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"gocv.io/x/gocv"
)

func TestClipShowsThePersonGrow(t *testing.T) {
	person := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(0, 0, 255, 0), 480, 640, gocv.MatTypeCV8UC3)
	defer person.Close()
	room := person.Region(roomInPicture())
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

func TestClipNeedsAPicture(t *testing.T) {
	err := renderClip(t.Context(), filepath.Join(t.TempDir(), "absent.jpg"), filepath.Join(t.TempDir(), "x.avi"), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "absent.jpg") {
		t.Errorf("error %v, want one that names the picture", err)
	}
}

func TestDemoSaysWhatToBuild(t *testing.T) {
	err := run(t.Context(), []string{"-binary", "absent/facesieve", "-source", "x.mp4", "-out", t.TempDir()}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("error %v, want one that says what to do", err)
	}
}
