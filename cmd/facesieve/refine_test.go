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
	"facesieve/publish/event"
	"facesieve/quality"
)

// unrefined is a configuration without refinement.
const unrefined = "detect: {refine: false}\n"

// An event of a detected face has the refined landmarks, and its face is aligned by them; its box is the detected one.
// There may be more events, because refinement raises some scores.
func TestEventsAreRefined(t *testing.T) {
	t.Parallel()
	video := testsupport.SharedVideo(t, "corridor.mp4")
	plain, _ := replayEvents(t, video, unrefined+everyFace)
	refined, _ := replayEvents(t, video, "detect: {search_every: 0s}\n"+everyFace)
	type face struct {
		time time.Time
		box  event.Box
	}
	byFace := map[face]event.Face{}
	for i, e := range refined {
		byFace[face{e.Time.UTC(), e.Box}] = e
		if off := offCentre(e); off > 0.05 {
			t.Errorf("event %d: the transform moves the centre of the landmarks %.2f pixels off that of the template", i, off)
		}
	}
	moved, realigned := 0, 0
	for i, e := range plain {
		other, found := byFace[face{e.Time.UTC(), e.Box}]
		if !found {
			t.Fatalf("event %d, of a face at %+v, is missing with refinement", i, e.Box)
		}
		if other.Landmarks != e.Landmarks {
			moved++
		}
		if other.Landmarks != e.Landmarks && !bytes.Equal(other.Image.Data, e.Image.Data) {
			realigned++
		}
	}
	if moved == 0 || moved < len(plain)*3/4 || realigned != moved {
		t.Errorf("of %d faces %d have other landmarks, and %d other images", len(plain), moved, realigned)
	}
}

// offCentre returns the distance of the landmarks' centre from that of the template in the aligned face, pixels. It is
// 0 for the least-squares transform.
func offCentre(e event.Face) float64 {
	var x, y float64
	l, template, m := e.Landmarks, quality.Template(), e.Transform
	for i, p := range []event.Point{l.RightEye, l.LeftEye, l.Nose, l.RightMouth, l.LeftMouth} {
		px, py := float64(p[0]), float64(p[1])
		x += m[0][0]*px + m[0][1]*py + m[0][2] - float64(template[i][0])
		y += m[1][0]*px + m[1][1]*py + m[1][2] - float64(template[i][1])
	}
	return math.Hypot(x, y) / 5
}

// Faces in images are refined too.
func TestScoreRefines(t *testing.T) {
	image := testsupport.FaceImage(t)
	plain, refined := scoreFace(t, image, unrefined), scoreFace(t, image, "")
	if *plain.Box != *refined.Box || *plain.Landmarks == *refined.Landmarks || *plain.Raw == *refined.Raw {
		t.Errorf("box %v, then %v; landmarks %v, then %v; raw %v, then %v",
			*plain.Box, *refined.Box, *plain.Landmarks, *refined.Landmarks, *plain.Raw, *refined.Raw)
	}
}

func scoreFace(t *testing.T, image, configuration string) scoredFace {
	t.Helper()
	config := testsupport.WriteFile(t, "facesieve.yaml", configuration+"cameras: [{name: test, url: test.mp4}]\n")
	stdout, _ := mustInvoke(t, "score", "--json", "--config", config, image)
	var face scoredFace
	if err := json.Unmarshal([]byte(stdout), &face); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	return face
}

// Refinement works beside a detector whose input cannot have the size of the refiner's.
func TestRefinementBesideALargeDetector(t *testing.T) {
	image := testsupport.FaceImage(t)
	file := fmt.Sprintf("models: {detector: %s}\n", testsupport.WriteNetworkOfMultiple64(t, models.TaskDetector, 0))
	plain, refined := scoreFace(t, image, file+unrefined), scoreFace(t, image, file)
	if *plain.Box != *refined.Box || *plain.Landmarks == *refined.Landmarks {
		t.Errorf("box %v, then %v; landmarks %v, then %v", *plain.Box, *refined.Box, *plain.Landmarks, *refined.Landmarks)
	}
}
