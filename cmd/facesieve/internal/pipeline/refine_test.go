package pipeline

import (
	"bytes"
	"image"
	"os"
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

// A landmarks network with wrong outputs or an impossible input size is refused; the error states what to do.
func TestUnusableLandmarksNetwork(t *testing.T) {
	cfg := config.Default()
	networks, err := OpenNetworks(cfg, cfg.NewCamera())
	testsupport.Must(t, err)
	networks.landmarks.Manifest.SelfTest.Cases[0].Outputs[0][0] += 10
	want := models.ErrDrift.Error() + "; leave models.landmarks empty"
	if _, err := NewPool(networks, cfg.Runtime, 1, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want %q, got %v", want, err)
	}
	cfg.Models.Landmarks = testsupport.WriteNetworkOfMultiple64(t, models.TaskLandmarks, 96)
	want = "refinement.side: 96x96 pixels, the network takes multiples of 64"
	if _, err := OpenNetworks(cfg, cfg.NewCamera()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want %q, got %v", want, err)
	}
}

// A detector is not accepted as the landmarks network, and networks with another landmarks file are not equal.
func TestConfiguredLandmarksNetwork(t *testing.T) {
	cfg := config.Default()
	builtIn, err := OpenNetworks(cfg, cfg.NewCamera())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Models.Landmarks = testsupport.WriteNetworkOfMultiple64(t, models.TaskLandmarks, 128)
	if other, err := OpenNetworks(cfg, cfg.NewCamera()); err != nil || builtIn.Equal(other) || !other.Equal(other) {
		t.Errorf("networks with another landmarks file are equal, or do not open: %v", err)
	}
	cfg.Models.Landmarks = testsupport.WriteNetworkOfMultiple64(t, models.TaskDetector, 0)
	want := `is a network for "detector"; name a network for "landmarks"`
	if _, err := OpenNetworks(cfg, cfg.NewCamera()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want %q, got %v", want, err)
	}
}

// A face that the coarse check rules out is not refined. If all faces are scored, it is, and the reason stays.
func TestExcludedFacesAreNotRefined(t *testing.T) {
	for name, test := range map[string]struct {
		change func(e *Engine, face *detect.Face)
		want   quality.Reason
	}{
		"edge":  {func(e *Engine, _ *detect.Face) { e.coarse.EdgeMargin = 0.99 }, quality.ReasonEdge},
		"small": {func(e *Engine, _ *detect.Face) { e.coarse.MinEyeDistance = 500 }, quality.ReasonTooSmall},
	} {
		for _, all := range []bool{false, true} {
			refined, j := judged(t, test.change, all)
			if want := map[bool]int{true: 1}[all]; refined != want || j.Reason != test.want || j.Scored != all {
				t.Errorf("%s, all %v: refined %d times, reason %q, scored %v", name, all, refined, j.Reason, j.Scored)
			}
		}
	}
}

// A face whose detected landmarks would be ruled out is judged by the refined ones.
func TestRefinementCorrectsWrongLandmarks(t *testing.T) {
	for name, change := range map[string]func(e *Engine, face *detect.Face){
		"unchanged": func(*Engine, *detect.Face) {},
		"turned by 90°": func(_ *Engine, face *detect.Face) {
			x, y := face.Box[0]+face.Box[2]/2, face.Box[1]+face.Box[3]/2
			for i, p := range face.Landmarks {
				face.Landmarks[i] = [2]float32{x - (p[1] - y), y + (p[0] - x)}
			}
		},
		"all equal": func(_ *Engine, face *detect.Face) { face.Landmarks = [5][2]float32{} },
	} {
		if refined, j := judged(t, change, false); refined != 1 || j.Reason != "" || !j.Scored {
			t.Errorf("%s: refined %d times, reason %q", name, refined, j.Reason)
		}
	}
}

// A face whose score is too low to begin a track is refined before association, once, unless a gate rules it out.
func TestRefinementRaisesTheScore(t *testing.T) {
	frame := faceFrame(t)
	found := func(score float64, change func(*Engine)) (detect.Face, *Engine) {
		e := smallEngine(t, score, frame)
		change(e)
		faces, err := e.Find(frame, nil)
		if err != nil || len(faces) == 0 {
			t.Fatalf("%d faces, %v", len(faces), err)
		}
		return faces[0], e
	}
	detected, e := found(0, func(*Engine) {})
	if detected.Refined || e.times.totals.calls[stageRefine] > 0 {
		t.Errorf("a face of score %g is refined before association", detected.Score)
	}
	above := float64(detected.Score) + 0.001
	refined, e := found(above, func(*Engine) {})
	if !refined.Refined || refined.Score <= detected.Score || refined.Box != detected.Box {
		t.Errorf("detected %+v, refined %+v", detected, refined)
	}
	if _, err := e.Judge(frame, refined, true); err != nil || e.times.totals.calls[stageRefine] != 1 {
		t.Errorf("one face of a frame is refined %d times, %v", e.times.totals.calls[stageRefine], err)
	}
	if ruledOut, _ := found(above, func(e *Engine) { e.coarse.EdgeMargin = 0.99 }); ruledOut != detected {
		t.Errorf("detected %+v, and %+v although a gate rules it out", detected, ruledOut)
	}
}

// Without a camera that refines, the network of refinement is neither started nor mapped into memory, and an engine
// that refines is refused.
func TestNoRefinerWithoutACameraThatRefines(t *testing.T) {
	for _, test := range []struct {
		refine []bool
		want   int // networks
	}{{[]bool{false, false}, 2}, {[]bool{false, true}, 3}} {
		cfg := config.Default()
		cfg.Models.Landmarks = "missing.tflite" // not read
		var cameras []config.Camera
		for _, refine := range test.refine {
			camera := cfg.NewCamera()
			camera.Detect.Refine = refine
			cameras = append(cameras, camera)
			if refine {
				cfg.Models.Landmarks = ""
			}
		}
		networks, err := OpenNetworks(cfg, cameras...)
		testsupport.Must(t, err)
		before := mappedNetworks(t)
		var log bytes.Buffer
		pool, err := NewPool(networks, cfg.Runtime, 1, zerolog.New(&log))
		testsupport.Must(t, err)
		if mapped := mappedNetworks(t) - before; mapped != test.want {
			t.Errorf("refine %v: %d networks are mapped, want %d", test.refine, mapped, test.want)
		}
		if started := strings.Count(log.String(), "network is ready"); started != test.want {
			t.Errorf("refine %v: %d networks are started, want %d", test.refine, started, test.want)
		}
		e, err := NewEngine(pool, config.Default().Detect, cfg.Quality)
		if want := test.want == 3; (err == nil) != want {
			t.Errorf("refine %v: an engine that refines: %v", test.refine, err)
		}
		if err == nil {
			testsupport.Must(t, e.Close())
		}
		testsupport.Must(t, pool.Retire())
	}
}

// mappedNetworks returns how many networks are mapped into the memory of this process.
func mappedNetworks(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	testsupport.Must(t, err)
	return strings.Count(string(maps), "network.tflite")
}

// faceFrame returns the image of FaceImage.
func faceFrame(t *testing.T) gocv.Mat {
	t.Helper()
	frame := gocv.NewMat()
	t.Cleanup(func() { testsupport.Must(t, frame.Close()) })
	testsupport.Must(t, capture.ReadImage(testsupport.FaceImage(t), capture.DefaultMaxPixels, &frame))
	return frame
}

// smallEngine returns an engine that holds networks for frame, and detects the face of FaceImage at about 40 pixels.
// A track begins at score; 0 is the recommendation of the network.
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

// judged returns the judgement of the face in FaceImage, after a change of the engine or the face, and how many times
// it was refined.
func judged(t *testing.T, change func(e *Engine, face *detect.Face), all bool) (refined int, j Judgement) {
	t.Helper()
	frame := faceFrame(t)
	e := smallEngine(t, 0, frame)
	faces, err := e.detector.Detect(frame)
	if err != nil || len(faces) == 0 {
		t.Fatalf("%d faces, %v", len(faces), err)
	}
	change(e, &faces[0])
	face, err := e.Judge(frame, faces[0], all)
	if err != nil {
		t.Fatal(err)
	}
	return e.times.totals.calls[stageRefine], face.Judgement
}
