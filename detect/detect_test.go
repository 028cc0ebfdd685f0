package detect

import (
	"cmp"
	"image"
	"math"
	"slices"
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"facesieve/models"
)

// testDetector runs the tiny network of the models package, whose weights are random: it has many false positives.
func testDetector(t testing.TB, cfg Config) *Detector {
	t.Helper()
	m, err := models.Load("../models/testdata/detector.tflite")
	if err != nil {
		t.Fatal(err)
	}
	return newTestDetector(t, cfg, m)
}

func newTestDetector(t testing.TB, cfg Config, m *models.Model) *Detector {
	t.Helper()
	in, err := models.NewInterpreter(m, models.DefaultRuntime())
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDetector(cfg, in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, err := range []error{d.Close(), in.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	return d
}

// pattern returns a frame with a test image.
func pattern(t testing.TB, width, height int) gocv.Mat {
	frame := gocv.NewMatWithSize(height, width, gocv.MatTypeCV8UC3)
	t.Cleanup(func() {
		if err := frame.Close(); err != nil {
			t.Error(err)
		}
	})
	pixels, err := frame.DataPtrUint8()
	if err != nil {
		t.Fatal(err)
	}
	models.SelfTestImage(pixels, width, height, 1)
	return frame
}

// naive decodes the outputs in floating point, by the formulas of strideDecoder, and filters by score only.
func naive(d *Detector, threshold float64) (faces []Face) {
	m := d.network.Manifest()
	sigmoid := func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
	for i, stride := range m.Detector.Strides {
		s := float64(stride)
		cls, obj := d.network.Output(m.Detector.Cls[i]), d.network.Output(m.Detector.Obj[i])
		bbox, kps := d.network.Output(m.Detector.BBox[i]), d.network.Output(m.Detector.Kps[i])
		for n := range cls.Data {
			score := math.Sqrt(sigmoid(cls.Real(n)) * sigmoid(obj.Real(n)))
			if score < threshold {
				continue
			}
			col, row := float64(n%cls.Shape[2]), float64(n/cls.Shape[2])
			cx, cy := (col+bbox.Real(4*n))*s, (row+bbox.Real(4*n+1))*s
			w, h := math.Exp(bbox.Real(4*n+2))*s, math.Exp(bbox.Real(4*n+3))*s
			face := Face{Box: [4]float32{float32(cx - w/2), float32(cy - h/2), float32(w), float32(h)}, Score: float32(score)}
			for p := range face.Landmarks {
				face.Landmarks[p][0] = float32((col + kps.Real(10*n+2*p)) * s)
				face.Landmarks[p][1] = float32((row + kps.Real(10*n+2*p+1)) * s)
			}
			faces = append(faces, face)
		}
	}
	return faces
}

// TestDetectAgainstNaive: for frames of several shapes the faces are those of the plain formula, scaled to the frame.
func TestDetectAgainstNaive(t *testing.T) {
	cfg := Default()
	cfg.Score, cfg.LowScore, cfg.Input, cfg.MinFace = 0.9, 0.45, 320, 20
	d := testDetector(t, cfg)
	for _, size := range []image.Point{{1920, 1080}, {480, 720}, {320, 180}, {100, 70}, {640, 36}} {
		frame := pattern(t, size.X, size.Y)
		got, err := d.Detect(frame)
		if err != nil {
			t.Fatal(err)
		}
		scaled, _ := inputSize(size, 320, 32)
		var want []Face
		for _, f := range naive(d, cfg.LowScore) {
			f.scale(float32(size.X)/float32(scaled.X), float32(size.Y)/float32(scaled.Y))
			cx, cy := float64(f.Box[0]+f.Box[2]/2), float64(f.Box[1]+f.Box[3]/2)
			inside := cx >= 0 && cy >= 0 && cx < float64(size.X) && cy < float64(size.Y)
			if max(f.Box[2], f.Box[3]) >= 20 && inside && f.plausible() {
				want = append(want, f)
			}
		}
		want = suppress(want, cfg.NMSIoU)
		if len(got) != len(want) || len(got) == 0 {
			t.Fatalf("%v: %d faces instead of %d", size, len(got), len(want))
		}
		for i := range got {
			for k := range got[i].Box {
				if math.Abs(float64(got[i].Box[k]-want[i].Box[k])) > 0.1 {
					t.Fatalf("%v: face %d is %+v instead of %+v", size, i, got[i], want[i])
				}
			}
		}
		if !slices.IsSortedFunc(got, func(a, b Face) int { return cmp.Compare(b.Score, a.Score) }) {
			t.Errorf("%v: not in order of score", size)
		}
	}
}

// TestDetectDeterministic: the same frame gives the same faces after other frames.
func TestDetectDeterministic(t *testing.T) {
	cfg := Default()
	cfg.LowScore, cfg.Input = 0.45, 320
	d := testDetector(t, cfg)
	large, small := pattern(t, 800, 600), pattern(t, 200, 300)
	first, err := d.Detect(large)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := d.Detect(small); err != nil {
			t.Fatal(err)
		}
		if repeated, err := d.Detect(large); err != nil || !slices.Equal(first, repeated) {
			t.Fatalf("%v: %d faces, then %d", err, len(first), len(repeated))
		}
	}
}

// TestDetectPolygons: only faces whose centre is in the region and in no mask are returned.
func TestDetectPolygons(t *testing.T) {
	cfg := Default()
	cfg.LowScore = 0.45
	cfg.ROI = Polygon{{0.2, 0}, {1, 0}, {1, 1}, {0.2, 1}}
	cfg.Masks = []Polygon{{{0.6, 0.5}, {1, 0.5}, {1, 1}, {0.6, 1}}}
	faces, err := testDetector(t, cfg).Detect(pattern(t, 640, 480))
	if err != nil {
		t.Fatal(err)
	}
	if len(faces) == 0 {
		t.Fatal("no faces")
	}
	for _, f := range faces {
		x, y := (f.Box[0]+f.Box[2]/2)/640, (f.Box[1]+f.Box[3]/2)/480
		if x < 0.2 || x > 0.6 && y > 0.5 {
			t.Errorf("a face at %g, %g", x, y)
		}
	}
}

func TestDetectRefuses(t *testing.T) {
	d := testDetector(t, Default())
	for _, frame := range []gocv.Mat{gocv.NewMat(), gocv.NewMatWithSize(64, 64, gocv.MatTypeCV8UC1)} {
		if _, err := d.Detect(frame); err == nil || !strings.Contains(err.Error(), "wanted BGR of 8 bit") {
			t.Errorf("got %v", err)
		}
		if err := frame.Close(); err != nil {
			t.Error(err)
		}
	}
	cfg := Default()
	cfg.Score = 2
	if _, err := NewDetector(cfg, d.network); err == nil || !strings.Contains(err.Error(), "score: 2") {
		t.Errorf("a bad configuration: %v", err)
	}
	m, err := models.Load("../models/testdata/quality.tflite")
	if err != nil {
		t.Fatal(err)
	}
	in, err := models.NewInterpreter(m, models.DefaultRuntime())
	if err != nil {
		t.Fatal(err)
	}
	want := `has the task "quality"; give one with the task "detector"`
	if _, err := NewDetector(Default(), in); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a network for something else: %v", err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
}

func TestGeometry(t *testing.T) {
	for _, test := range []struct {
		frame          image.Point
		input          int
		scaled, padded image.Point
	}{
		{image.Pt(1920, 1080), 640, image.Pt(640, 360), image.Pt(640, 384)},
		{image.Pt(1080, 1920), 640, image.Pt(360, 640), image.Pt(384, 640)},
		{image.Pt(480, 270), 640, image.Pt(480, 270), image.Pt(480, 288)},
		{image.Pt(2592, 1944), 320, image.Pt(320, 240), image.Pt(320, 256)},
		{image.Pt(5000, 3), 320, image.Pt(320, 1), image.Pt(320, 32)},
		{image.Pt(641, 641), 640, image.Pt(640, 640), image.Pt(640, 640)},
		{image.Pt(1920, 1080), 500, image.Pt(500, 281), image.Pt(512, 288)},
	} {
		scaled, padded := inputSize(test.frame, test.input, 32)
		if scaled != test.scaled || padded != test.padded {
			t.Errorf("%v at %d: %v in %v", test.frame, test.input, scaled, padded)
		}
	}
}

func TestPlausible(t *testing.T) {
	good := Face{
		Box:       [4]float32{100, 100, 40, 50},
		Landmarks: [5][2]float32{{110, 118}, {130, 118}, {120, 128}, {112, 138}, {128, 138}},
	}
	if !good.plausible() {
		t.Error("a good face is refused")
	}
	for _, point := range [][2]float32{
		{89, 120}, {151, 120}, {120, 87}, {120, 163}, {float32(math.NaN()), 120}, {120, float32(math.Inf(1))},
	} {
		bad := good
		bad.Landmarks[2] = point
		if bad.plausible() {
			t.Errorf("a nose at %v is accepted", point)
		}
	}
}
