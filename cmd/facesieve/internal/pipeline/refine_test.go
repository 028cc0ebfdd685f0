package pipeline

import (
	"image"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/detect"
	"facesieve/models"
	"facesieve/quality"
)

// A network for second looks that cannot be run on their square, or answers wrongly, is refused, and it is said what to do.
func TestALandmarksNetworkThatCannotLook(t *testing.T) {
	large := config.Default()
	large.Models.Landmarks = testsupport.LargeOnly(t, models.TaskLandmarks)
	for want, test := range map[string]struct {
		cfg    config.Config
		change func(n Networks)
	}{
		"network facesieve-detector cannot refine a face: models: resize: 96x96 pixels, the network takes multiples of 64; leave models.landmarks empty": {
			large, func(Networks) {},
		},
		models.ErrDrift.Error() + "; leave models.landmarks empty": {
			config.Default(), func(n Networks) { n.landmarks.Manifest.SelfTest.Cases[0].Outputs[0][0] += 10 },
		},
	} {
		nets, err := OpenNetworks(test.cfg)
		if err != nil {
			t.Fatal(err)
		}
		test.change(nets)
		if _, err := NewPool(nets, test.cfg.Runtime, 1, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// A detector's file is none for second looks, whose own file is looked for anew in a reload.
func TestTheLandmarksNetworkIsOneOfItsOwn(t *testing.T) {
	cfg := config.Default()
	builtIn, err := OpenNetworks(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Models.Landmarks = testsupport.LargeOnly(t, models.TaskLandmarks)
	if other, err := OpenNetworks(cfg); err != nil || builtIn.Equal(other) || !other.Equal(other) {
		t.Errorf("another file is the same network, or none: %v", err)
	}
	cfg.Models.Landmarks = testsupport.LargeOnly(t, models.TaskDetector)
	want := `is a network for "detector"; name one for "landmarks"`
	if _, err := OpenNetworks(cfg); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want %q, got %v", want, err)
	}
}

// A face at the border, or with its eyes far too near, is ruled out by the first look, for its old reason and at its old cost. Where
// every face is scored it is looked at again, and the reason stays.
func TestNoSecondLookAtWhatIsRuledOut(t *testing.T) {
	for name, test := range map[string]struct {
		change func(e *Engine, face *detect.Face)
		want   quality.Reason
	}{
		"edge":  {func(e *Engine, _ *detect.Face) { e.coarse.EdgeMargin = 0.99 }, quality.ReasonEdge},
		"small": {func(e *Engine, _ *detect.Face) { e.coarse.MinEyeDistance = 500 }, quality.ReasonTooSmall},
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
	for name, change := range map[string]func(e *Engine, face *detect.Face){
		"as it is": func(*Engine, *detect.Face) {},
		"lying on its side": func(_ *Engine, face *detect.Face) {
			x, y := face.Box[0]+face.Box[2]/2, face.Box[1]+face.Box[3]/2
			for i, p := range face.Landmarks {
				face.Landmarks[i] = [2]float32{x - (p[1] - y), y + (p[0] - x)}
			}
		},
		"all in one place": func(_ *Engine, face *detect.Face) { face.Landmarks = [5][2]float32{} },
	} {
		if looks, j := judged(t, change, false); looks != 1 || j.Reason != "" || !j.Scored {
			t.Errorf("%s: %d second looks, reason %q", name, looks, j.Reason)
		}
	}
}

// A face that the first look is not sure enough of is looked at again before it is followed, once, unless a gate rules it out.
func TestTheSecondLookMakesSure(t *testing.T) {
	frame := faceFrame(t)
	found := func(score float64, change func(*Engine)) (detect.Face, *Engine) {
		e := smallEngine(t, score, frame)
		change(e)
		faces, err := e.Find(frame)
		if err != nil || len(faces) == 0 {
			t.Fatalf("%d faces, %v", len(faces), err)
		}
		return faces[0], e
	}
	sure, e := found(0, func(*Engine) {})
	if sure.Refined || e.times.calls[stageRefine] > 0 {
		t.Errorf("a face of score %g needs no second look", sure.Score)
	}
	unsure, e := found(float64(sure.Score)+0.001, func(*Engine) {})
	if !unsure.Refined || unsure.Score <= sure.Score || unsure.Box != sure.Box {
		t.Errorf("%+v, and after a second look %+v", sure, unsure)
	}
	if _, err := e.Judge(frame, unsure, true); err != nil || e.times.calls[stageRefine] != 1 {
		t.Errorf("%d second looks at one face of a frame, %v", e.times.calls[stageRefine], err)
	}
	if ruledOut, _ := found(float64(sure.Score)+0.001, func(e *Engine) { e.coarse.EdgeMargin = 0.99 }); ruledOut != sure {
		t.Errorf("%+v, which no gate lets through, and after a second look %+v", sure, ruledOut)
	}
}

// faceFrame is the picture in facePicture.
func faceFrame(t *testing.T) gocv.Mat {
	t.Helper()
	frame := gocv.NewMat()
	t.Cleanup(func() { testsupport.Must(t, frame.Close()) })
	testsupport.Must(t, capture.ReadPicture(testsupport.FacePicture(t), capture.DefaultMaxPixels, &frame))
	return frame
}

// smallEngine is an engine that has networks to look at frame, and whose first look sees the face in facePicture at about 40 pixels. A
// track begins at score; 0 is what the network recommends.
func smallEngine(t *testing.T, score float64, frame gocv.Mat) *Engine {
	t.Helper()
	cfg := config.Default()
	cfg.Detect.Input, cfg.Detect.Score = 160, score
	e, err := NewEngine(newTestPool(t), cfg.Detect, cfg.Quality)
	testsupport.Must(t, err)
	t.Cleanup(func() { testsupport.Must(t, e.Close()) })
	testsupport.Must(t, e.Acquire(t.Context(), image.Pt(frame.Cols(), frame.Rows())))
	return e
}

// judged returns the judgement of the face in facePicture, which the first look sees at about 40 pixels, after a change of engine or
// face, and how many second looks it took.
func judged(t *testing.T, change func(e *Engine, face *detect.Face), all bool) (looks int, j Judgement) {
	t.Helper()
	frame := faceFrame(t)
	e := smallEngine(t, 0, frame)
	faces, err := e.detector.Detect(frame)
	if err != nil || len(faces) == 0 {
		t.Fatalf("%d faces, %v", len(faces), err)
	}
	change(e, &faces[0])
	if j, err = e.Judge(frame, faces[0], all); err != nil {
		t.Fatal(err)
	}
	return e.times.calls[stageRefine], j
}
