package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/capture"
	"facesieve/detect"
	"facesieve/models"
	"facesieve/publish"
	"facesieve/quality"
)

// once is a configuration of one look at each face.
const once = "detect: {second_look: false}\n"

// An event has the landmarks of the second look, and the aligned face is cut by them; its box is that of the first. There may be
// more of them, for the second look is surer of some.
func TestEventsHaveTheSecondLook(t *testing.T) {
	video := sharedVideo(t, "corridor.mp4")
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
	picture := facePicture(t)
	first, second := scoredOnce(t, picture, once), scoredOnce(t, picture, "")
	if *first.Box != *second.Box || *first.Landmarks == *second.Landmarks || *first.Raw == *second.Raw {
		t.Errorf("box %v, then %v; landmarks %v, then %v; raw %v, then %v",
			*first.Box, *second.Box, *first.Landmarks, *second.Landmarks, *first.Raw, *second.Raw)
	}
}

func scoredOnce(t *testing.T, picture, configuration string) scoredFace {
	t.Helper()
	config := writeFile(t, "facesieve.yaml", configuration+"cameras: [{name: test, url: test.mp4}]\n")
	stdout, _ := mustInvoke(t, "score", "--json", "--config", config, picture)
	var face scoredFace
	if err := json.Unmarshal([]byte(stdout), &face); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	return face
}

// largeOnly writes the built-in detector as a network for that task that takes multiples of 64 pixels only, which 96 is none of.
func largeOnly(t *testing.T, task string) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"detector.tflite", "detector.json"} {
		content, err := os.ReadFile(filepath.Join("..", "..", "models", name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "detector.json" {
			content = replaced(t, content, `"multiple": 32`, `"multiple": 64`)
			content = replaced(t, content, `"task": "detector"`, fmt.Sprintf(`"task": %q`, task))
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, "detector.tflite")
}

func replaced(t *testing.T, content []byte, from, to string) []byte {
	t.Helper()
	if !bytes.Contains(content, []byte(from)) {
		t.Fatalf("the manifest does not say %s", from)
	}
	return bytes.Replace(content, []byte(from), []byte(to), 1)
}

// A network for second looks that cannot be run on their square, or answers wrongly, is refused, and it is said what to do.
func TestALandmarksNetworkThatCannotLook(t *testing.T) {
	large := DefaultConfig()
	large.Models.Landmarks = largeOnly(t, models.TaskLandmarks)
	for want, test := range map[string]struct {
		cfg    Config
		change func(n networks)
	}{
		"network facesieve-detector cannot look at a face: models: resize: 96x96 pixels, the network takes multiples of 64; leave models.landmarks empty": {
			large, func(networks) {},
		},
		models.ErrDrift.Error() + "; leave models.landmarks empty": {
			DefaultConfig(), func(n networks) { n.landmarks.Manifest.SelfTest.Cases[0].Outputs[0][0] += 10 },
		},
	} {
		nets, err := openModels(test.cfg)
		if err != nil {
			t.Fatal(err)
		}
		test.change(nets)
		if _, err := newInterpreters(nets, test.cfg.Runtime, 1, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// A detector's file is none for second looks, whose own file is looked for anew in a reload.
func TestTheLandmarksNetworkIsOneOfItsOwn(t *testing.T) {
	cfg := DefaultConfig()
	builtIn, err := openModels(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Models.Landmarks = largeOnly(t, models.TaskLandmarks)
	if other, err := openModels(cfg); err != nil || builtIn.same(other) || !other.same(other) {
		t.Errorf("another file is the same network, or none: %v", err)
	}
	cfg.Models.Landmarks = largeOnly(t, models.TaskDetector)
	want := `is a network for "detector"; name one for "landmarks"`
	if _, err := openModels(cfg); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want %q, got %v", want, err)
	}
}

// A detector that cannot be run on a small square need not: second looks are those of the other network.
func TestSecondLooksBesideALargeDetector(t *testing.T) {
	picture, file := facePicture(t), fmt.Sprintf("models: {detector: %s}\n", largeOnly(t, models.TaskDetector))
	first, second := scoredOnce(t, picture, file+once), scoredOnce(t, picture, file)
	if *first.Box != *second.Box || *first.Landmarks == *second.Landmarks {
		t.Errorf("box %v, then %v; landmarks %v, then %v", *first.Box, *second.Box, *first.Landmarks, *second.Landmarks)
	}
}

// A face at the border, or with its eyes far too near, is ruled out by the first look, for its old reason and at its old cost. Where
// every face is scored it is looked at again, and the reason stays.
func TestNoSecondLookAtWhatIsRuledOut(t *testing.T) {
	for name, test := range map[string]struct {
		change func(e *engine, face *detect.Face)
		want   quality.Reason
	}{
		"edge":  {func(e *engine, _ *detect.Face) { e.coarse.EdgeMargin = 0.99 }, quality.ReasonEdge},
		"small": {func(e *engine, _ *detect.Face) { e.coarse.MinEyeDistance = 500 }, quality.ReasonTooSmall},
	} {
		for _, all := range []bool{false, true} {
			looks, j := judged(t, test.change, all)
			if want := map[bool]int{true: 1}[all]; looks != want || j.Reason != test.want || j.Scored != all {
				t.Errorf("%s, all %v: %d second looks, reason %q, scored %v", name, all, looks, j.Reason, j.Scored)
			}
		}
	}
}

// A face that the first look marked so badly that its gates would rule it out is judged by the second.
func TestTheSecondLookSavesABadlyMarkedFace(t *testing.T) {
	for name, change := range map[string]func(e *engine, face *detect.Face){
		"as it is": func(*engine, *detect.Face) {},
		"lying on its side": func(_ *engine, face *detect.Face) {
			x, y := face.Box[0]+face.Box[2]/2, face.Box[1]+face.Box[3]/2
			for i, p := range face.Landmarks {
				face.Landmarks[i] = [2]float32{x - (p[1] - y), y + (p[0] - x)}
			}
		},
		"all in one place": func(_ *engine, face *detect.Face) { face.Landmarks = [5][2]float32{} },
	} {
		if looks, j := judged(t, change, false); looks != 1 || j.Reason != "" || !j.Scored {
			t.Errorf("%s: %d second looks, reason %q", name, looks, j.Reason)
		}
	}
}

// A face that the first look is not sure enough of is looked at again before it is followed, once, unless a gate rules it out.
func TestTheSecondLookMakesSure(t *testing.T) {
	frame := faceFrame(t)
	found := func(score float64, change func(*engine)) (detect.Face, *engine) {
		e := smallEngine(t, score, frame)
		change(e)
		faces, err := e.find(frame)
		if err != nil || len(faces) == 0 {
			t.Fatalf("%d faces, %v", len(faces), err)
		}
		return faces[0], e
	}
	sure, e := found(0, func(*engine) {})
	if sure.Refined || e.times.calls[stageRefine] > 0 {
		t.Errorf("a face of score %g needs no second look", sure.Score)
	}
	unsure, e := found(float64(sure.Score)+0.001, func(*engine) {})
	if !unsure.Refined || unsure.Score <= sure.Score || unsure.Box != sure.Box {
		t.Errorf("%+v, and after a second look %+v", sure, unsure)
	}
	if _, err := e.judge(frame, unsure, true); err != nil || e.times.calls[stageRefine] != 1 {
		t.Errorf("%d second looks at one face of a frame, %v", e.times.calls[stageRefine], err)
	}
	if ruledOut, _ := found(float64(sure.Score)+0.001, func(e *engine) { e.coarse.EdgeMargin = 0.99 }); ruledOut != sure {
		t.Errorf("%+v, which no gate lets through, and after a second look %+v", sure, ruledOut)
	}
}

// faceFrame is the picture in facePicture.
func faceFrame(t *testing.T) gocv.Mat {
	t.Helper()
	frame := gocv.NewMat()
	t.Cleanup(func() { must(t, frame.Close()) })
	must(t, capture.ReadImage(facePicture(t), capture.DefaultMaxPixels, &frame))
	return frame
}

// smallEngine is an engine that has networks to look at frame, and whose first look sees the face in facePicture at about 40 pixels. A
// track begins at score; 0 is what the network recommends.
func smallEngine(t *testing.T, score float64, frame gocv.Mat) *engine {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Detect.Input, cfg.Detect.Score = 160, score
	e, err := newEngine(oneTrio(t), cfg.Detect, cfg.Quality)
	must(t, err)
	t.Cleanup(func() { must(t, e.Close()) })
	must(t, e.borrow(image.Pt(frame.Cols(), frame.Rows())))
	return e
}

// judged returns the judgement of the face in facePicture, which the first look sees at about 40 pixels, after a change of engine or
// face, and how many second looks it took.
func judged(t *testing.T, change func(e *engine, face *detect.Face), all bool) (looks int, j judgement) {
	t.Helper()
	frame := faceFrame(t)
	e := smallEngine(t, 0, frame)
	faces, err := e.detector.Detect(frame)
	if err != nil || len(faces) == 0 {
		t.Fatalf("%d faces, %v", len(faces), err)
	}
	change(e, &faces[0])
	if j, err = e.judge(frame, faces[0], all); err != nil {
		t.Fatal(err)
	}
	return e.times.calls[stageRefine], j
}
