package detect

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"facesieve/models"
)

// fixedNetwork is a network of task landmarks that returns the same maps for every input.
type fixedNetwork struct {
	*maps
	fault error
}

func newFixedNetwork() *fixedNetwork {
	n := &fixedNetwork{maps: newMaps(6, 6)}
	n.m.Name, n.m.Task, n.m.Detector.Score = "fixed", models.TaskLandmarks, 0.4
	n.m.Refinement = &models.Refinement{Side: 96, CropScale: 1.6, MinCrop: 8, MinIoU: 0.4}
	return n
}

func (n *fixedNetwork) Manifest() *models.Manifest { return n.m }
func (n *fixedNetwork) Resize(_, _ int) error      { return n.fault }
func (n *fixedNetwork) SetPixels(_ []byte) error   { return nil }
func (n *fixedNetwork) Invoke() error              { return nil }

func (n *fixedNetwork) Output(k int) models.Tensor {
	return models.Tensor{Shape: []int{1, n.height, n.width, 1}, Data: [][]int8{n.cls, n.obj, n.bbox, n.kps}[k]}
}

// newRefiner returns a refiner that is closed with the test.
func newRefiner(t testing.TB, in Network) *Refiner {
	t.Helper()
	r, err := NewRefiner(Default(), in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// square60 returns a face of 60x60 with its landmarks in typical places, moved right by off pixels.
func square60(x, y, off float32) Face {
	face := Face{Box: [4]float32{x, y, 60, 60}, Score: 0.8}
	for i, p := range [5][2]float32{{20, 24}, {40, 24}, {30, 36}, {22, 48}, {38, 48}} {
		face.Landmarks[i] = [2]float32{x + p[0] + off, y + p[1]}
	}
	return face
}

// TestRefineLandmarks: a face gets the landmarks of the network; without a match it keeps its own. The square around a
// face of 60 pixels has the side of the network's input, 96, so a pixel of the input is a pixel of the frame.
func TestRefineLandmarks(t *testing.T) {
	detected := square60(500, 300, 6)
	corner := float32(18) // of the face in the square: (96 - 60) / 2
	for name, test := range map[string]struct {
		found []Face
		off   float32 // wanted offset of the landmarks
	}{
		"the face":                    {[]Face{square60(corner, corner, 0)}, 0},
		"nothing":                     {nil, 6},
		"another face beside it":      {[]Face{square60(corner+36, corner, 0)}, 6},
		"the nearer of two":           {[]Face{square60(corner+40, corner, 0), square60(corner, corner, 2)}, 2},
		"landmarks outside their box": {[]Face{square60(corner, corner, 50)}, 6},
	} {
		frame := pattern(t, 1920, 1080)
		network := newFixedNetwork()
		for _, face := range test.found {
			network.put(min(5, int(face.Landmarks[2][0])/16), 3, face)
		}
		got, err := newRefiner(t, network).Refine(frame, detected)
		if err != nil || got.Box != detected.Box || !got.Refined {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		want := square60(500, 300, test.off)
		for i, p := range got.Landmarks { // quantised to 0.24 pixels
			if math.Abs(float64(p[0]-want.Landmarks[i][0])) > 0.125 || math.Abs(float64(p[1]-want.Landmarks[i][1])) > 0.125 {
				t.Errorf("%s: landmark %d is at %v instead of %v", name, i, p, want.Landmarks[i])
			}
		}
	}
}

// TestFollow: at an expected box, the face of the network with its box and score is returned, or none.
func TestFollow(t *testing.T) {
	frame := pattern(t, 1920, 1080)
	network := newFixedNetwork()
	refiner := newRefiner(t, network)
	if face, ok, err := refiner.Follow(frame, [4]float32{500, 300, 60, 60}); ok || err != nil {
		t.Errorf("no face: %+v, %v", face, err)
	}
	network.put(3, 3, square60(24, 18, 0)) // 6 pixels to the right of the middle, found with 0.982
	face, ok, err := refiner.Follow(frame, [4]float32{500, 300, 60, 60})
	if want := square60(506, 300, 0); err != nil || !ok || !face.Refined || math.Abs(float64(face.Score)-0.982) > 1e-3 ||
		math.Abs(float64(face.Box[0]-want.Box[0])) > 1 || math.Abs(float64(face.Landmarks[2][0]-want.Landmarks[2][0])) > 0.125 {
		t.Errorf("%+v, %v, %v", face, ok, err)
	}
	network.fault = errors.New("fault")
	if _, _, err := refiner.Follow(frame, [4]float32{500, 300, 60, 60}); err == nil {
		t.Error("no error of a network that fails")
	}
}

// TestRefineRaisesTheScore: a face gets the mean of both scores if that is higher than its own.
func TestRefineRaisesTheScore(t *testing.T) {
	frame := pattern(t, 1920, 1080)
	for score, want := range map[float32]float64{0.4: 0.691, 0.8: 0.891, 0.99: 0.99} {
		network, face := newFixedNetwork(), square60(500, 300, 6)
		network.put(3, 3, square60(18, 18, 0)) // found with 0.982
		face.Score = score
		got, err := newRefiner(t, network).Refine(frame, face)
		if err != nil || math.Abs(float64(got.Score)-want) > 1e-3 {
			t.Errorf("score %g: %g instead of %g, %v", score, got.Score, want, err)
		}
		if got, err = newRefiner(t, newFixedNetwork()).Refine(frame, face); err != nil || got.Score != score {
			t.Errorf("score %g, not found: %g, %v", score, got.Score, err)
		}
	}
}

// TestRefineMinimumScore: a face in the square below the score of the network's manifest is not a match.
func TestRefineMinimumScore(t *testing.T) {
	frame, detected := pattern(t, 1920, 1080), square60(500, 300, 6)
	for score, match := range map[float64]bool{0.4: true, 0.97: true, 0.99: false} { // found with 0.982
		network := newFixedNetwork()
		network.m.Detector.Score, network.m.Detector.LowScore = score, 0.1
		network.put(3, 3, square60(18, 18, 0))
		got, err := newRefiner(t, network).Refine(frame, detected)
		if err != nil || (got.Landmarks != detected.Landmarks) != match {
			t.Errorf("score %g: landmarks %v, then %v, %v", score, detected.Landmarks, got.Landmarks, err)
		}
	}
}

// TestRefineSquare: the input of the network is the square around the face, black outside the frame.
func TestRefineSquare(t *testing.T) {
	frame := pattern(t, 300, 200)
	for _, box := range [][4]float32{
		{100, 80, 60, 60}, {-10, -20, 60, 60}, {270, 170, 60, 60}, {-70, 80, 60, 60}, // 96 pixels, not scaled
		{50, 40, 120, 120}, {-60, -60, 120, 120}, // 192 pixels, the mean of two by two
	} {
		r := newRefiner(t, newFixedNetwork())
		if _, err := r.Refine(frame, Face{Box: box}); err != nil {
			t.Fatal(err)
		}
		each := int(math.Round(1.6*float64(box[2]))) / 96
		left, top := int(box[0]+box[2]/2)-48*each, int(box[1]+box[3]/2)-48*each
		for y := range 96 {
			for x := range 96 * 3 {
				sum := 0
				for k := range each * each {
					px, py := left+x/3*each+k%each, top+y*each+k/each
					if px >= 0 && py >= 0 && px < 300 && py < 200 {
						sum += int(frame.GetUCharAt(py, px*3+x%3))
					}
				}
				if got := int(r.input.GetUCharAt(y, x)); math.Abs(float64(got)-float64(sum)/float64(each*each)) > 1 {
					t.Fatalf("box %v: %d at %d,%d instead of %d/%d", box, got, x/3, y, sum, each*each)
				}
			}
		}
	}
}

// TestRefineInvalidBox: a face whose square cannot be cut out keeps its landmarks, without an error.
func TestRefineInvalidBox(t *testing.T) {
	frame := pattern(t, 320, 200)
	network := newFixedNetwork()
	network.put(2, 2, square60(18, 18, 0))
	r := newRefiner(t, network)
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, box := range [][4]float32{
		{nan, 0, 60, 60},
		{0, 0, nan, 60},
		{0, 0, inf, 60},
		{inf, 0, 60, 60},
		{-inf, 0, 60, 60},
		{0, 0, -60, 60},
		{10, 10, 1e6, 1e6},
		{-500, 0, 60, 60},
		{500, 0, 60, 60},
		{0, -500, 60, 60},
		{0, 1e30, 60, 60},
		{10, 10, 0, 0},
	} {
		face := Face{Box: box, Landmarks: [5][2]float32{{1, 2}, {3, 4}}}
		if got, err := r.Refine(frame, face); err != nil || got.Landmarks != face.Landmarks {
			t.Errorf("box %v: %v, %v", box, got.Landmarks, err)
		}
	}
}

func TestRefineRefuses(t *testing.T) {
	network := newFixedNetwork()
	r := newRefiner(t, network)
	for _, frame := range []gocv.Mat{gocv.NewMat(), gocv.NewMatWithSize(64, 64, gocv.MatTypeCV8UC1)} {
		if _, err := r.Refine(frame, Face{}); err == nil || !strings.Contains(err.Error(), "wanted BGR of 8 bit") {
			t.Errorf("got %v", err)
		}
		if err := frame.Close(); err != nil {
			t.Error(err)
		}
	}
	network.fault = errors.New("no such size")
	if _, err := r.Refine(pattern(t, 64, 64), Face{}); !errors.Is(err, network.fault) {
		t.Errorf("a network that cannot be resized: %v", err)
	}
	if _, err := NewRefiner(Config{}, network); err == nil || !strings.Contains(err.Error(), "nms_iou: 0") {
		t.Errorf("a bad configuration: %v", err)
	}
	want := `network "fixed" has the task "detector"; give one with the task "landmarks"`
	network.m.Task = models.TaskDetector
	if _, err := NewRefiner(Default(), network); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a network for something else: %v", err)
	}
	network.m.Task = models.TaskLandmarks
	want = `network "fixed" has the task "landmarks"; give one with the task "detector"`
	if _, err := NewDetector(Default(), network); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("as a detector: %v", err)
	}
	network.m.Detector = nil
	if _, err := NewRefiner(Default(), network); err == nil || !strings.Contains(err.Error(), "and its maps") {
		t.Errorf("a network without maps: %v", err)
	}
}

// TestNeedsRefinement: only faces that cannot begin a track are refined before association, all before scoring, each
// once.
func TestNeedsRefinement(t *testing.T) {
	cfg := settled() // score 0.75
	never := func() bool { t.Error("excluded is called although the decision does not depend on it"); return false }
	answer := func(v bool) func() bool { return func() bool { return v } }
	low, high := Face{Score: 0.7}, Face{Score: 0.75}
	for name, test := range map[string]struct {
		face     Face
		next     Step
		excluded func() bool
		want     bool
	}{
		"low score before association":            {low, Association, answer(false), true},
		"high score before association":           {high, Association, never, false},
		"low score, excluded, before association": {low, Association, answer(true), false},
		"low score, refined, before association":  {Face{Score: 0.7, Refined: true}, Association, never, false},
		"low score before scoring":                {low, Scoring, answer(false), true},
		"high score before scoring":               {high, Scoring, answer(false), true},
		"high score, excluded, before scoring":    {high, Scoring, answer(true), false},
		"high score, refined, before scoring":     {Face{Score: 0.75, Refined: true}, Scoring, never, false},
	} {
		if got := cfg.NeedsRefinement(test.face, test.next, test.excluded); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	cfg.Refine = false
	if cfg.NeedsRefinement(low, Association, never) || cfg.NeedsRefinement(high, Scoring, never) {
		t.Error("a face is refined although refinement is disabled")
	}
}

// golden is models/testdata/refinement.json, which a test of the training tool reads too.
type golden struct {
	Frame   [2]int // of the squares, pixels
	Squares []struct {
		Box    [4]float32
		Square *[3]int // x, y, side; null: none
	}
	Refined struct {
		Image       string // below the shared data
		Box         [4]float32
		Score       float32
		RaisedScore float32 `json:"raised_score"`
		Landmarks   [5][2]float32
	}
}

func readGolden(t *testing.T) (g golden) {
	t.Helper()
	content, err := os.ReadFile("../models/testdata/refinement.json")
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&g); err != nil {
		t.Fatal(err)
	}
	return g
}

// TestGoldenSquares: the daemon cuts the same squares as the training tool, with the shipped manifest.
func TestGoldenSquares(t *testing.T) {
	m, err := models.Embedded(models.TaskLandmarks)
	if err != nil {
		t.Fatal(err)
	}
	g := readGolden(t)
	for _, test := range g.Squares {
		got, ok := squareAround(Face{Box: test.Box}, image.Pt(g.Frame[0], g.Frame[1]), *m.Manifest.Refinement)
		if ok != (test.Square != nil) {
			t.Errorf("box %v: a square %v, want %v", test.Box, got, test.Square)
		} else if ok && [3]int{got.Min.X, got.Min.Y, got.Dx()} != *test.Square {
			t.Errorf("box %v: square %v, want %v", test.Box, got, *test.Square)
		}
	}
}

// TestGoldenRefinement: the daemon refines a real face to the same landmarks and score as the training tool, to within
// 0.1 pixels and 0.01.
func TestGoldenRefinement(t *testing.T) {
	want := readGolden(t).Refined
	frame := gocv.IMRead(shared(t, filepath.FromSlash(want.Image)), gocv.IMReadColor)
	defer frame.Close()
	_, r := embeddedRefiner(t, Default())
	got, err := r.Refine(frame, Face{Box: want.Box, Score: want.Score})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range got.Landmarks {
		if off := math.Hypot(float64(p[0]-want.Landmarks[i][0]), float64(p[1]-want.Landmarks[i][1])); !(off <= 0.1) {
			t.Errorf("landmark %d is %v, want %v", i, p, want.Landmarks[i])
		}
	}
	if math.Abs(float64(got.Score-want.RaisedScore)) > 0.01 {
		t.Errorf("score %g, want %g", got.Score, want.RaisedScore)
	}
}

// portraits returns every nth image of LFW in the shared data, each with a mirrored border of 64 pixels.
func portraits(t testing.TB, nth int) []gocv.Mat {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(shared(t, "faces", "lfw"), "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var images []gocv.Mat
	for i := 0; i < len(paths); i += nth {
		face, bordered := gocv.IMRead(paths[i], gocv.IMReadColor), gocv.NewMat()
		gocv.CopyMakeBorder(face, &bordered, 64, 64, 64, 64, gocv.BorderReflect101, color.RGBA{})
		if err := face.Close(); err != nil || bordered.Cols() != 256 || bordered.Rows() != 256 {
			t.Fatalf("%s: %dx%d with its border, %v", paths[i], bordered.Cols(), bordered.Rows(), err)
		}
		t.Cleanup(func() { bordered.Close() })
		images = append(images, bordered)
	}
	return images
}

// landmarkError returns the mean distance of the landmarks a from b, in inter-eye distances of b.
func landmarkError(a, b [5][2]float32) float64 {
	sum := 0.0
	for i := range a {
		sum += math.Hypot(float64(a[i][0]-b[i][0]), float64(a[i][1]-b[i][1]))
	}
	return sum / 5 / math.Hypot(float64(b[0][0]-b[1][0]), float64(b[0][1]-b[1][1]))
}

func median(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }

// embeddedRefiner returns a detector and a refiner with the built-in networks.
func embeddedRefiner(t testing.TB, cfg Config) (*Detector, *Refiner) {
	t.Helper()
	m, err := models.Embedded(models.TaskLandmarks)
	if err != nil {
		t.Fatal(err)
	}
	in, err := models.NewInterpreter(m, models.DefaultRuntime())
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRefiner(cfg, in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(r.Close(), in.Close()); err != nil {
			t.Error(err)
		}
	})
	return embeddedDetector(t, cfg), r
}

// TestRefineAccuracy: refinement reduces the landmark error of faces that the detector processes at 17 pixels, in the
// middle of a frame and at its border. The truth is the detector's result on the image at twice its size, with faces of
// 140 pixels.
func TestRefineAccuracy(t *testing.T) {
	cfg := Default()
	large := embeddedDetector(t, cfg)
	cfg.Input, cfg.LowScore = 64, 0.1
	d, r := embeddedRefiner(t, cfg)
	portraits := portraits(t, 100)
	for name, left := range map[string]int{"middle": 0, "edge": 100} {
		var before, after []float64
		for _, portrait := range portraits {
			truth := landmarksAtTwiceTheSize(t, large, portrait, float32(left))
			part := portrait.Region(image.Rect(left, 0, 256, 256))
			frame := part.Clone() // contiguous, as a frame is
			faces, err := d.Detect(frame)
			if err != nil {
				t.Fatal(err)
			}
			for _, face := range faces[:min(1, len(faces))] {
				refined, err := r.Refine(frame, face)
				if err != nil {
					t.Fatal(err)
				}
				before = append(before, landmarkError(face.Landmarks, truth))
				after = append(after, landmarkError(refined.Landmarks, truth))
			}
			part.Close()
			frame.Close()
		}
		t.Logf("%s: %d of %d faces, error %.3f, refined %.3f inter-eye distances",
			name, len(after), len(portraits), median(before), median(after))
		if len(after) < len(portraits)*3/4 || median(after) > median(before)*0.6 {
			t.Errorf("%s: want 75 %% of the faces, and 60 %% of the error", name)
		}
	}
}

// landmarksAtTwiceTheSize returns the landmarks that a detector finds in the enlarged image, in pixels of the image,
// with x counted from left.
func landmarksAtTwiceTheSize(t testing.TB, d *Detector, portrait gocv.Mat, left float32) [5][2]float32 {
	t.Helper()
	enlarged := gocv.NewMat()
	defer enlarged.Close()
	gocv.Resize(portrait, &enlarged, image.Pt(512, 512), 0, 0, gocv.InterpolationCubic)
	faces, err := d.Detect(enlarged)
	if err != nil || len(faces) == 0 {
		t.Fatalf("%d faces, %v", len(faces), err)
	}
	face := faces[0]
	face.scale(0.5, 0.5)
	face.shift(-left, 0)
	return face.Landmarks
}

// TestRefineDeterministic: the same face gives the same result after other faces, and after another use of the network
// at another size.
func TestRefineDeterministic(t *testing.T) {
	d, r := embeddedRefiner(t, Default())
	frame, other := portraits(t, 10000)[0], pattern(t, 640, 480)
	faces, err := d.Detect(frame)
	if err != nil || len(faces) == 0 {
		t.Fatalf("%d faces, %v", len(faces), err)
	}
	first, err := r.Refine(frame, faces[0])
	if err != nil || first == faces[0] {
		t.Fatalf("nothing was refined, %v", err)
	}
	for i := range 3 {
		edge := square60(-30, float32(i), 0)
		if _, err := r.Refine(other, edge); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Refine(frame, faces[0]); err != nil || got != first {
			t.Fatalf("%+v, then %+v, %v", first, got, err)
		}
		pixels := make([]byte, 160*64*3)
		if err := errors.Join(r.network.Resize(160, 64), r.network.SetPixels(pixels), r.network.Invoke()); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Refine(frame, faces[0]); err != nil || got != first {
			t.Fatalf("%+v, after another use %+v, %v", first, got, err)
		}
	}
}

// BenchmarkRefine measures the refinement of faces of several sizes, pixels of the frame.
func BenchmarkRefine(b *testing.B) {
	_, r := embeddedRefiner(b, Default())
	frame := pattern(b, 1920, 1080)
	for name, size := range map[string]float32{"40": 40, "90": 90, "250": 250} {
		b.Run(name, func(b *testing.B) {
			face := Face{Box: [4]float32{800, 400, size, size}}
			for b.Loop() {
				if _, err := r.Refine(frame, face); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
