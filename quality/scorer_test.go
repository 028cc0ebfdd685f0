package quality

import (
	"errors"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"facesieve/models"
)

// embeddedScorer returns a scorer that runs the network of the program.
func embeddedScorer(t testing.TB) (*Scorer, *models.Interpreter) {
	t.Helper()
	model, err := models.Embedded(models.TaskQuality)
	if err != nil {
		t.Fatal(err)
	}
	network, err := models.NewInterpreter(model, models.DefaultRuntime())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := network.Close(); err != nil {
			t.Error(err)
		}
	})
	scorer, err := NewScorer(network)
	if err != nil {
		t.Fatal(err)
	}
	return scorer, network
}

// expect computes a score from dequantised outputs by the definition in the manifest: every exponential, a linear
// search.
func expect(m *models.Manifest, outputs [][]float64) (value, raw float64, labels []float64) {
	var weights float64
	for _, label := range m.Quality.Labels {
		var sum, weighted float64
		for i, logit := range outputs[label.Output] {
			sum += math.Exp(logit)
			weighted += math.Exp(logit) * label.Bins[i]
		}
		labels = append(labels, weighted/sum)
		raw += label.Weight * weighted / sum
		weights += label.Weight
	}
	raw /= weights
	c := m.Quality.Calibration
	last := len(c.Raw) - 1
	if raw <= c.Raw[0] {
		return c.Score[0], raw, labels
	}
	for i := range last {
		if raw <= c.Raw[i+1] {
			return c.Score[i] + (c.Score[i+1]-c.Score[i])*(raw-c.Raw[i])/(c.Raw[i+1]-c.Raw[i]), raw, labels
		}
	}
	return c.Score[last], raw, labels
}

// The test images of the manifest, through matrix, network and decoder, against the outputs that the training tool
// recorded.
func TestScoreOfTestImages(t *testing.T) {
	scorer, network := embeddedScorer(t)
	m := network.Manifest()
	for _, c := range m.SelfTest.Cases {
		image := gocv.NewMatWithSize(Size, Size, gocv.MatTypeCV8UC3)
		closeLater(t, &image)
		pixels, err := image.DataPtrUint8()
		if err != nil {
			t.Fatal(err)
		}
		models.SelfTestImage(pixels, Size, Size, c.Picture)
		got, err := scorer.Score(image)
		if err != nil {
			t.Fatal(err)
		}

		// The decoder agrees with the network's outputs exactly, and with those of the training tool within a tolerance.
		exact := make([][]float64, network.Outputs())
		for k := range exact {
			exact[k] = network.Output(k).Dequantize(nil)
		}
		value, raw, labels := expect(m, exact)
		if math.Abs(got.Value-value) > 1e-6 || math.Abs(got.Raw-raw) > 1e-9 {
			t.Errorf("image %d: score %v, by the manifest %g (raw %g)", c.Picture, got, value, raw)
		}
		for i, label := range labels {
			name := m.Quality.Labels[i].Name
			if math.Abs(got.Labels[name]-label) > 1e-9 {
				t.Errorf("image %d: label %s is %g, by the manifest %g", c.Picture, name, got.Labels[name], label)
			}
		}
		if _, raw, _ := expect(m, c.Outputs); math.Abs(got.Raw-raw) > 0.02 {
			t.Errorf("image %d: raw %g, the training tool's outputs give %g", c.Picture, got.Raw, raw)
		}
	}
}

func TestScorerLabels(t *testing.T) {
	scorer, network := embeddedScorer(t)
	var want []string
	for _, label := range network.Manifest().Quality.Labels {
		want = append(want, label.Name)
	}
	slices.Sort(want)
	score, err := scorer.Score(alignedPortrait(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(score.Labels)); !slices.Equal(got, want) {
		t.Errorf("labels %q, the manifest has %q", got, want)
	}
}

// A score depends on the pixels alone: it is the same before and after another face.
func TestScoreIsStateless(t *testing.T) {
	scorer, _ := embeddedScorer(t)
	face, black := alignedPortrait(t), gocv.NewMatWithSizeFromScalar(gocv.Scalar{}, Size, Size, gocv.MatTypeCV8UC3)
	closeLater(t, &black)
	var scores []Score
	for _, image := range []gocv.Mat{face, black, face} {
		score, err := scorer.Score(image)
		if err != nil {
			t.Fatal(err)
		}
		scores = append(scores, score)
	}
	if !reflect.DeepEqual(scores[0], scores[2]) || reflect.DeepEqual(scores[0], scores[1]) {
		t.Errorf("face, black, face: %+v", scores)
	}
}

func TestScoreRefusesOtherImages(t *testing.T) {
	scorer, network := embeddedScorer(t)
	small := gocv.NewMatWithSize(96, 96, gocv.MatTypeCV8UC3)
	closeLater(t, &small)
	if _, err := scorer.Score(small); err == nil || !strings.Contains(err.Error(), "96x96") {
		t.Errorf("96x96 pixels: error %v", err)
	}
	face := alignedPortrait(t)
	if err := network.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := scorer.Score(face); !errors.Is(err, models.ErrClosed) {
		t.Errorf("closed network: error %v", err)
	}
}

// fakeNetwork has a manifest and fixed outputs.
type fakeNetwork struct {
	manifest models.Manifest
	outputs  [][]int8
}

func (n *fakeNetwork) Manifest() *models.Manifest { return &n.manifest }
func (n *fakeNetwork) SetPixels([]byte) error     { return nil }
func (n *fakeNetwork) Invoke() error              { return nil }
func (n *fakeNetwork) Output(k int) models.Tensor { return models.Tensor{Data: n.outputs[k]} }

func newFakeNetwork() *fakeNetwork {
	return &fakeNetwork{
		manifest: models.Manifest{
			Name: "fake", Task: models.TaskQuality,
			Input:   models.Input{Width: Size, Height: Size},
			Outputs: []models.Output{{Scale: 0.1, ZeroPoint: -3}, {Scale: 0.5}},
			Quality: &models.QualityHead{
				Labels: []models.Label{
					{Name: "second", Output: 1, Bins: []float64{0, 1}, Weight: 3},
					{Name: "first", Output: 0, Bins: []float64{0, 0.5, 1}, Weight: 1},
				},
				Calibration: models.Calibration{Raw: []float64{0.2, 0.6, 0.7}, Score: []float64{5, 50, 90}},
			},
		},
		outputs: [][]int8{{7, 7, 7}, {127, -128}},
	}
}

func TestScoreArithmetic(t *testing.T) {
	face := alignedPortrait(t)
	for _, c := range []struct {
		name            string
		second          []int8
		raw, value, tol float64
	}{
		// label "first" is 0.5 throughout: (3 second + 0.5) / 4
		{"below the calibration", []int8{127, -128}, 0.125, 5, 1e-9},
		{"even logits", []int8{-5, -5}, 0.5, 38.75, 1e-9},
		{"one step of 0.5: sigmoid(0.5)", []int8{0, 1}, (3*0.6224593312 + 0.5) / 4, 49.0825060, 1e-6},
		{"between the last two", []int8{0, 3}, (3*0.8175744762 + 0.5) / 4, 90, 1e-6},
		{"above the calibration", []int8{-128, 127}, 0.875, 90, 1e-9},
	} {
		network := newFakeNetwork()
		network.outputs[1] = c.second
		scorer, err := NewScorer(network)
		if err != nil {
			t.Fatal(err)
		}
		got, err := scorer.Score(face)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got.Raw-c.raw) > 1e-8 || math.Abs(got.Value-c.value) > c.tol || math.Abs(got.Labels["first"]-0.5) > 1e-12 {
			t.Errorf("%s: %+v, expected raw %g, value %g", c.name, got, c.raw, c.value)
		}
	}
}

func TestNewScorerRefusesOtherNetworks(t *testing.T) {
	for want, change := range map[string]func(*models.Manifest){
		`network "fake" has the task "detector"`: func(m *models.Manifest) { m.Task, m.Quality = models.TaskDetector, nil },
		`takes 96x96 pixels`:                     func(m *models.Manifest) { m.Input.Width, m.Input.Height = 96, 96 },
		`has 9 labels`:                           func(m *models.Manifest) { m.Quality.Labels = make([]models.Label, 9) },
		`has 0 labels`:                           func(m *models.Manifest) { m.Quality.Labels = nil },
	} {
		network := newFakeNetwork()
		change(&network.manifest)
		if _, err := NewScorer(network); !errors.Is(err, ErrNotQuality) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected one with %q", err, want)
		}
	}
	model, err := models.Embedded(models.TaskDetector)
	if err != nil {
		t.Fatal(err)
	}
	detector, err := models.NewInterpreter(model, models.DefaultRuntime())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := detector.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := NewScorer(detector); !errors.Is(err, ErrNotQuality) {
		t.Errorf("a detector as a quality network: error %v", err)
	}
}
