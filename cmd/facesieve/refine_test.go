package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/models"
	"facesieve/publish"
	"facesieve/quality"
)

// once is a configuration of one look at each face.
const once = "detect: {second_look: false}\n"

// An event has the landmarks of the second look, and the aligned face is cut by them; its box is that of the first. There may be
// more of them, for the second look is surer of some.
func TestEventsHaveTheSecondLook(t *testing.T) {
	video := testsupport.SharedVideo(t, "corridor.mp4")
	first, _ := replayEvents(t, video, once+everyFace)
	second, _ := replayEvents(t, video, everyFace)
	type face struct {
		time time.Time
		box  publish.Box
	}
	again := map[face]publish.Event{}
	for i, e := range second {
		again[face{e.Time.UTC(), e.Box}] = e
		if off := offCentre(e); off > 0.05 {
			t.Errorf("event %d: the transform is not that of its landmarks, their centre is %.2f pixels off", i, off)
		}
	}
	moved, recut := 0, 0
	for i, e := range first {
		other, found := again[face{e.Time.UTC(), e.Box}]
		if !found {
			t.Fatalf("event %d, of a face at %+v, is none any more", i, e.Box)
		}
		if other.Landmarks != e.Landmarks {
			moved++
		}
		if other.Landmarks != e.Landmarks && !bytes.Equal(other.Image.Data, e.Image.Data) {
			recut++
		}
	}
	if moved == 0 || moved < len(first)*3/4 || recut != moved {
		t.Errorf("of %d faces %d have other landmarks, and %d other pictures", len(first), moved, recut)
	}
}

// offCentre tells how far the landmarks' centre is from the template's in the aligned face, pixels: the transform that fits best
// takes the one to the other.
func offCentre(e publish.Event) float64 {
	var x, y float64
	l, template, m := e.Landmarks, quality.Template(), e.Transform
	for i, p := range []publish.Point{l.RightEye, l.LeftEye, l.Nose, l.RightMouth, l.LeftMouth} {
		px, py := float64(p[0]), float64(p[1])
		x += m[0][0]*px + m[0][1]*py + m[0][2] - float64(template[i][0])
		y += m[1][0]*px + m[1][1]*py + m[1][2] - float64(template[i][1])
	}
	return math.Hypot(x, y) / 5
}

// Pictures are scored by the second look too.
func TestScoreTakesASecondLook(t *testing.T) {
	picture := testsupport.FacePicture(t)
	first, second := scoredOnce(t, picture, once), scoredOnce(t, picture, "")
	if *first.Box != *second.Box || *first.Landmarks == *second.Landmarks || *first.Raw == *second.Raw {
		t.Errorf("box %v, then %v; landmarks %v, then %v; raw %v, then %v",
			*first.Box, *second.Box, *first.Landmarks, *second.Landmarks, *first.Raw, *second.Raw)
	}
}

func scoredOnce(t *testing.T, picture, configuration string) scoredFace {
	t.Helper()
	config := testsupport.WriteFile(t, "facesieve.yaml", configuration+"cameras: [{name: test, url: test.mp4}]\n")
	stdout, _ := mustInvoke(t, "score", "--json", "--config", config, picture)
	var face scoredFace
	if err := json.Unmarshal([]byte(stdout), &face); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	return face
}

// A detector that cannot be run on a small square need not: second looks are those of the other network.
func TestSecondLooksBesideALargeDetector(t *testing.T) {
	picture, file := testsupport.FacePicture(t), fmt.Sprintf("models: {detector: %s}\n", testsupport.LargeOnly(t, models.TaskDetector))
	first, second := scoredOnce(t, picture, file+once), scoredOnce(t, picture, file)
	if *first.Box != *second.Box || *first.Landmarks == *second.Landmarks {
		t.Errorf("box %v, then %v; landmarks %v, then %v", *first.Box, *second.Box, *first.Landmarks, *second.Landmarks)
	}
}
