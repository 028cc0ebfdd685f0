package detect

import (
	"errors"
	"image"
	"image/color"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"facesieve/models"
)

// sighted is a network of task landmarks that sees what it is told to, whatever it is shown.
type sighted struct {
	*maps
	fault error
}

func newSighted() *sighted {
	s := &sighted{maps: newMaps(RefinerSide/16, RefinerSide/16)}
	s.m.Name, s.m.Task, s.m.Detector.Score = "stand-in", models.TaskLandmarks, 0.4
	return s
}

func (s *sighted) Manifest() *models.Manifest { return s.m }
func (s *sighted) Resize(_, _ int) error      { return s.fault }
func (s *sighted) SetPixels(_ []byte) error   { return nil }
func (s *sighted) Invoke() error              { return nil }

func (s *sighted) Output(k int) models.Tensor {
	return models.Tensor{Shape: []int{1, s.height, s.width, 1}, Data: [][]int8{s.cls, s.obj, s.bbox, s.kps}[k]}
}

// newRefiner makes a refiner for frames that the first look saw at the default input.
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

// square60 is a face of 60x60 with landmarks in the usual places, off by some pixels to the right.
func square60(x, y, off float32) Face {
	face := Face{Box: [4]float32{x, y, 60, 60}, Score: 0.8}
	for i, p := range [5][2]float32{{20, 24}, {40, 24}, {30, 36}, {22, 48}, {38, 48}} {
		face.Landmarks[i] = [2]float32{x + p[0] + off, y + p[1]}
	}
	return face
}

// TestRefineRule: a face gets the landmarks of the second look, and one that is not found again keeps those of the first. The
// square around a face of 60 pixels has the side of the input: what is seen there is as large in the frame.
func TestRefineRule(t *testing.T) {
	first := square60(500, 300, 6)
	corner := float32(18) // of the face in the square: (96 - 60) / 2
	for name, test := range map[string]struct {
		seen []Face
		off  float32 // how far right of the usual places the landmarks are to be
	}{
		"the face":                       {[]Face{square60(corner, corner, 0)}, 0},
		"nothing is seen":                {nil, 6},
		"another face beside it":         {[]Face{square60(corner+36, corner, 0)}, 6},
		"the nearer of two":              {[]Face{square60(corner+40, corner, 0), square60(corner, corner, 2)}, 2},
		"landmarks outside of their box": {[]Face{square60(corner, corner, 50)}, 6},
	} {
		frame := pattern(t, 1920, 1080)
		network := newSighted()
		for _, face := range test.seen {
			network.put(min(5, int(face.Landmarks[2][0])/16), 3, face)
		}
		got, err := newRefiner(t, network).Refine(frame, first)
		if err != nil || got.Box != first.Box || !got.Refined {
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

// TestRefineRaises: a face has the mean of both scores where that is higher than its own.
func TestRefineRaises(t *testing.T) {
	frame := pattern(t, 1920, 1080)
	for first, want := range map[float32]float64{0.4: 0.691, 0.8: 0.891, 0.99: 0.99} {
		network, face := newSighted(), square60(500, 300, 6)
		network.put(3, 3, square60(18, 18, 0)) // seen with 0.982
		face.Score = first
		got, err := newRefiner(t, network).Refine(frame, face)
		if err != nil || math.Abs(float64(got.Score)-want) > 1e-3 {
			t.Errorf("score %g: %g instead of %g, %v", first, got.Score, want, err)
		}
		if got, err = newRefiner(t, newSighted()).Refine(frame, face); err != nil || got.Score != first {
			t.Errorf("score %g, not found again: %g, %v", first, got.Score, err)
		}
	}
}

// TestRefineScore: what has less than the score of the network's manifest in the square is not the face.
func TestRefineScore(t *testing.T) {
	frame, first := pattern(t, 1920, 1080), square60(500, 300, 6)
	for score, again := range map[float64]bool{0.4: true, 0.97: true, 0.99: false} { // it is seen with 0.982
		network := newSighted()
		network.m.Detector.Score, network.m.Detector.LowScore = score, 0.1
		network.put(3, 3, square60(18, 18, 0))
		got, err := newRefiner(t, network).Refine(frame, first)
		if err != nil || (got.Landmarks != first.Landmarks) != again {
			t.Errorf("score %g: landmarks %v, then %v, %v", score, first.Landmarks, got.Landmarks, err)
		}
	}
}

// TestRefineSquare: the network sees the square around the face, black beyond the frame.
func TestRefineSquare(t *testing.T) {
	frame := pattern(t, 300, 200)
	for _, box := range [][4]float32{
		{100, 80, 60, 60}, {-10, -20, 60, 60}, {270, 170, 60, 60}, {-70, 80, 60, 60}, // 96 pixels, as they are
		{50, 40, 120, 120}, {-60, -60, 120, 120}, // 192, two by two to one
	} {
		r := newRefiner(t, newSighted())
		if _, err := r.Refine(frame, Face{Box: box}); err != nil {
			t.Fatal(err)
		}
		each := int(math.Round(1.6*float64(box[2]))) / RefinerSide
		left, top := int(box[0]+box[2]/2)-48*each, int(box[1]+box[3]/2)-48*each
		for y := range RefinerSide {
			for x := range RefinerSide * 3 {
				sum := 0
				for k := range each * each {
					px, py := left+x/3*each+k%each, top+y*each+k/each
					if px >= 0 && py >= 0 && px < 300 && py < 200 {
						sum += int(frame.GetUCharAt(py, px*3+x%3))
					}
				}
				if got := int(r.square.GetUCharAt(y, x)); math.Abs(float64(got)-float64(sum)/float64(each*each)) > 1 {
					t.Fatalf("box %v: %d at %d,%d instead of %d/%d", box, got, x/3, y, sum, each*each)
				}
			}
		}
	}
}

// TestRefineAbsurd: a box that no square can be cut around keeps its landmarks, and is no error.
func TestRefineAbsurd(t *testing.T) {
	frame := pattern(t, 320, 200)
	network := newSighted()
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
	network := newSighted()
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
	want := `network "stand-in" has the task "detector"; give one with the task "landmarks"`
	network.m.Task = models.TaskDetector
	if _, err := NewRefiner(Default(), network); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a network for something else: %v", err)
	}
	network.m.Task = models.TaskLandmarks
	want = `network "stand-in" has the task "landmarks"; give one with the task "detector"`
	if _, err := NewDetector(Default(), network); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("as a detector: %v", err)
	}
	network.m.Detector = nil
	if _, err := NewRefiner(Default(), network); err == nil || !strings.Contains(err.Error(), "and its maps") {
		t.Errorf("a network without maps: %v", err)
	}
}

// portraits returns the pictures of LFW in the shared data, every so many, each with a border of 64 pixels that mirrors it.
func portraits(t testing.TB, every int) []gocv.Mat {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(shared(t, "faces", "lfw"), "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var pictures []gocv.Mat
	for i := 0; i < len(paths); i += every {
		picture, bordered := gocv.IMRead(paths[i], gocv.IMReadColor), gocv.NewMat()
		gocv.CopyMakeBorder(picture, &bordered, 64, 64, 64, 64, gocv.BorderReflect101, color.RGBA{})
		if err := picture.Close(); err != nil || bordered.Cols() != 256 || bordered.Rows() != 256 {
			t.Fatalf("%s: %dx%d with its border, %v", paths[i], bordered.Cols(), bordered.Rows(), err)
		}
		t.Cleanup(func() { bordered.Close() })
		pictures = append(pictures, bordered)
	}
	return pictures
}

// apart is the mean distance of landmarks from others, in distances of the others' eyes.
func apart(a, b [5][2]float32) float64 {
	sum := 0.0
	for i := range a {
		sum += math.Hypot(float64(a[i][0]-b[i][0]), float64(a[i][1]-b[i][1]))
	}
	return sum / 5 / math.Hypot(float64(b[0][0]-b[1][0]), float64(b[0][1]-b[1][1]))
}

func median(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }

// embeddedRefiner makes a refiner with the network that is part of the program, beside a detector with the one for that.
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

// TestRefineMarksNearer: faces that the first look sees at 17 pixels are marked nearer to where the detector sees their landmarks
// when it is shown the picture twice as large, with faces of 140 pixels: in the middle of a frame, and at its edge.
func TestRefineMarksNearer(t *testing.T) {
	cfg := Default()
	large := embeddedDetector(t, cfg)
	cfg.Input, cfg.LowScore = 64, 0.1
	d, r := embeddedRefiner(t, cfg)
	pictures := portraits(t, 100)
	for name, left := range map[string]int{"middle": 0, "edge": 100} {
		var before, after []float64
		for _, picture := range pictures {
			truth := marksOfLarge(t, large, picture, float32(left))
			part := picture.Region(image.Rect(left, 0, 256, 256))
			frame := part.Clone() // a frame is all that there is
			faces, err := d.Detect(frame)
			if err != nil {
				t.Fatal(err)
			}
			for _, face := range faces[:min(1, len(faces))] {
				refined, err := r.Refine(frame, face)
				if err != nil {
					t.Fatal(err)
				}
				before, after = append(before, apart(face.Landmarks, truth)), append(after, apart(refined.Landmarks, truth))
			}
			part.Close()
			frame.Close()
		}
		t.Logf("%s: %d of %d faces, %.3f and then %.3f eyes' distances off", name, len(after), len(pictures), median(before), median(after))
		if len(after) < len(pictures)*3/4 || median(after) > median(before)*0.6 {
			t.Errorf("%s: want most of the faces, and six tenths of the distance", name)
		}
	}
}

// marksOfLarge returns the landmarks that a detector finds in a picture twice as large, in the picture's pixels from left on.
func marksOfLarge(t testing.TB, d *Detector, picture gocv.Mat, left float32) [5][2]float32 {
	t.Helper()
	twice := gocv.NewMat()
	defer twice.Close()
	gocv.Resize(picture, &twice, image.Pt(512, 512), 0, 0, gocv.InterpolationCubic)
	faces, err := d.Detect(twice)
	if err != nil || len(faces) == 0 {
		t.Fatalf("%d faces, %v", len(faces), err)
	}
	face := faces[0]
	face.scale(0.5, 0.5)
	face.shift(-left, 0)
	return face.Landmarks
}

// TestRefineDeterministic: the same face, with others in between, is marked the same, also when the network has another use at
// another size.
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
		if err := errors.Join(r.network.Resize(160, 64), r.network.SetPixels(make([]byte, 160*64*3)), r.network.Invoke()); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Refine(frame, faces[0]); err != nil || got != first {
			t.Fatalf("%+v, after another use %+v, %v", first, got, err)
		}
	}
}

// BenchmarkRefine measures a second look at faces of several sizes, pixels of the frame.
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
