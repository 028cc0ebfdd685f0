package detect

import (
	"math"
	"math/rand/v2"
	"testing"

	"facesieve/models"
)

// testManifest describes one stride of 16 pixels with plausible quantisation.
func testManifest() *models.Manifest {
	out := func(scale float64, zero int) models.Output { return models.Output{Scale: scale, ZeroPoint: zero} }
	return &models.Manifest{
		Outputs:  []models.Output{out(0.06, 20), out(0.05, -10), out(0.02, -5), out(0.015, 7)},
		Detector: &models.DetectorHead{Strides: []int{16}, Cls: []int{0}, Obj: []int{1}, BBox: []int{2}, Kps: []int{3}},
	}
}

// maps are the quantised outputs of one stride.
type maps struct {
	m                   *models.Manifest
	width, height       int
	cls, obj, bbox, kps []int8
}

func newMaps(width, height int) *maps {
	n := width * height
	return &maps{testManifest(), width, height, fill(n, -128), fill(n, -128), fill(4*n, 0), fill(10*n, 0)}
}

func fill(n int, v int8) []int8 {
	values := make([]int8, n)
	for i := range values {
		values[i] = v
	}
	return values
}

func (m *maps) quantise(output int, real float64) int8 {
	out := m.m.Outputs[output]
	return int8(max(-128, min(127, math.Round(real/out.Scale)+float64(out.ZeroPoint))))
}

// put writes a face, in pixels of the network's input, into a cell.
func (m *maps) put(col, row int, f Face) {
	n, stride := row*m.width+col, 16.0
	m.cls[n], m.obj[n] = m.quantise(0, 4), m.quantise(1, 4)
	cx, cy := float64(f.Box[0]+f.Box[2]/2), float64(f.Box[1]+f.Box[3]/2)
	real := []float64{
		cx/stride - float64(col), cy/stride - float64(row),
		math.Log(float64(f.Box[2]) / stride), math.Log(float64(f.Box[3]) / stride),
	}
	for i, v := range real {
		m.bbox[4*n+i] = m.quantise(2, v)
	}
	for i, p := range f.Landmarks {
		m.kps[10*n+2*i] = m.quantise(3, float64(p[0])/stride-float64(col))
		m.kps[10*n+2*i+1] = m.quantise(3, float64(p[1])/stride-float64(row))
	}
}

func (m *maps) read(threshold float64) []Face {
	l := newStrideDecoder(m.m, 0, threshold)
	if !l.possible {
		return nil
	}
	return l.decodeMaps(m.width, m.cls, m.obj, m.bbox, m.kps, nil)
}

func TestDecodeRoundTrip(t *testing.T) {
	want := Face{
		Box:       [4]float32{70, 40, 30, 38},
		Landmarks: [5][2]float32{{78, 54}, {92, 53}, {85, 61}, {80, 69}, {91, 68}},
	}
	m := newMaps(12, 8)
	m.put(5, 3, want)
	faces := m.read(0.5)
	if len(faces) != 1 {
		t.Fatalf("%d faces", len(faces))
	}
	got := faces[0]
	near := func(a, b float32, tolerance float64) bool { return math.Abs(float64(a-b)) <= tolerance }
	for i := range 2 {
		// Half a quantisation step: 0.16 pixels of the centre, 1 % of the size.
		if c := got.Box[i] + got.Box[i+2]/2; !near(c, want.Box[i]+want.Box[i+2]/2, 0.161) {
			t.Errorf("centre %d is %g", i, c)
		}
		if !near(got.Box[i+2], want.Box[i+2], float64(want.Box[i+2])*0.0101) {
			t.Errorf("size %d is %g", i, got.Box[i+2])
		}
	}
	for i, p := range got.Landmarks {
		if !near(p[0], want.Landmarks[i][0], 0.121) || !near(p[1], want.Landmarks[i][1], 0.121) {
			t.Errorf("landmark %d is %v", i, p)
		}
	}
	if sigmoid := 1 / (1 + math.Exp(-4)); !near(got.Score, float32(sigmoid), 0.01) {
		t.Errorf("score %g", got.Score)
	}
}

// TestDecodeThreshold compares the lookup with the formula in floating point, for random maps and many thresholds.
func TestDecodeThreshold(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	m := newMaps(40, 24)
	for _, data := range [][]int8{m.cls, m.obj, m.bbox, m.kps} {
		for i := range data {
			data[i] = int8(random.IntN(256) - 128)
		}
	}
	logit := func(output int, q int8) float64 {
		out := m.m.Outputs[output]
		return 1 / (1 + math.Exp(-float64(int(q)-out.ZeroPoint)*out.Scale))
	}
	for _, threshold := range []float64{0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999999} {
		faces, n := m.read(threshold), 0
		for i := range m.cls {
			score := math.Sqrt(logit(0, m.cls[i]) * logit(1, m.obj[i]))
			if math.Abs(score-threshold) < 1e-6 {
				t.Fatalf("threshold %g is on a value", threshold)
			}
			if score < threshold {
				continue
			}
			if n >= len(faces) || math.Abs(float64(faces[n].Score)-score) > 1e-6 {
				t.Fatalf("threshold %g: face %d of cell %d is missing or has another score than %g", threshold, n, i, score)
			}
			n++
		}
		if n != len(faces) {
			t.Errorf("threshold %g: %d faces instead of %d", threshold, len(faces), n)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	m := newMaps(80, 48)
	m.put(5, 3, Face{Box: [4]float32{70, 40, 30, 38}})
	l := newStrideDecoder(m.m, 0, 0.3)
	var faces []Face
	for b.Loop() {
		faces = l.decodeMaps(m.width, m.cls, m.obj, m.bbox, m.kps, faces[:0])
	}
}
