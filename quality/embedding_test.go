package quality

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v3"
	"gocv.io/x/gocv"

	"facesieve/models"
)

// axis returns the embedding whose direction is degrees from the first axis, towards the second.
func axis(degrees float64) Embedding {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	return newEmbedding(&[EmbeddingSize]float32{float32(cos), float32(sin)})
}

// testImage returns a test image of the self-test.
func testImage(t testing.TB, k int) gocv.Mat {
	t.Helper()
	image := gocv.NewMatWithSize(Size, Size, gocv.MatTypeCV8UC3)
	closeLater(t, &image)
	pixels, err := image.DataPtrUint8()
	if err != nil {
		t.Fatal(err)
	}
	models.SelfTestImage(pixels, Size, Size, k)
	return image
}

// embed returns score and embedding of an aligned face.
func embed(t testing.TB, scorer *Scorer, face gocv.Mat) (Score, Embedding) {
	t.Helper()
	score, err := scorer.Score(face)
	if err != nil {
		t.Fatal(err)
	}
	return score, scorer.Embedding()
}

// The training tool wrote the similarities of the test images (export/golden_test.py). Both run the same kernels, and
// round sums in a different order.
func TestSimilaritiesAgreeWithTheTrainingTool(t *testing.T) {
	const tolerance = 1e-4
	text, err := os.ReadFile(filepath.Join("testdata", "similarities.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Images       []int       `json:"images"`
		Similarities [][]float64 `json:"similarities"`
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	scorer, _ := embeddedScorer(t)
	var embeddings []Embedding
	for _, k := range golden.Images {
		_, embedding := embed(t, scorer, testImage(t, k))
		embeddings = append(embeddings, embedding)
	}
	for i, row := range golden.Similarities {
		for j, want := range row {
			if got := Similarity(embeddings[i], embeddings[j]); math.Abs(got-want) > tolerance {
				t.Errorf("test images %d and %d: similarity %.6f, the training tool has %.6f",
					golden.Images[i], golden.Images[j], got, want)
			}
		}
	}
}

// The embedding is that of the definition in the manifest, and has memory of its own.
func TestEmbedding(t *testing.T) {
	scorer, network := embeddedScorer(t)
	head := network.Manifest().Quality.Embedding
	if got := scorer.Embedding(); !got.IsZero() {
		t.Error("an embedding before the first score")
	}
	_, first := embed(t, scorer, alignedPortrait(t))
	output := network.Output(head.Output)
	var want [EmbeddingSize]float64
	var sum float64
	for i, stored := range output.Data {
		want[i] = float64(int(stored)-output.ZeroPoint) * head.Scale[i]
		sum += want[i] * want[i]
	}
	for i, value := range first.vector.values {
		if math.Abs(float64(value)-want[i]/math.Sqrt(sum)) > 1e-6 {
			t.Errorf("value %d is %g, by the manifest %g", i, value, want[i]/math.Sqrt(sum))
		}
	}
	kept := *first.vector.values
	_, second := embed(t, scorer, testImage(t, 0))
	if *first.vector.values != kept || Similarity(first, second) > 0.5 {
		t.Errorf("after another face: similarity %g to it", Similarity(first, second))
	}
	if _, again := embed(t, scorer, alignedPortrait(t)); *again.vector.values != kept {
		t.Error("the same face has another embedding")
	}
}

func TestEmbeddingOfAFailedScoreIsNone(t *testing.T) {
	scorer, network := embeddedScorer(t)
	face, small := alignedPortrait(t), gocv.NewMatWithSize(96, 96, gocv.MatTypeCV8UC3)
	closeLater(t, &small)
	embed(t, scorer, face)
	if _, err := scorer.Score(small); err == nil || !scorer.Embedding().IsZero() {
		t.Errorf("96x96 pixels: error %v, embedding none: %t", err, scorer.Embedding().IsZero())
	}
	embed(t, scorer, face)
	if err := network.Close(); err != nil {
		t.Fatal(err)
	}
	if !scorer.Embedding().IsZero() {
		t.Error("an embedding of a closed network")
	}
}

func TestNetworkWithoutEmbedding(t *testing.T) {
	network := newFakeNetwork()
	scorer, err := NewScorer(network)
	if err != nil {
		t.Fatal(err)
	}
	if _, embedding := embed(t, scorer, alignedPortrait(t)); !embedding.IsZero() {
		t.Error("an embedding of a network that has none")
	}
	network.manifest.Quality.Embedding = &models.EmbeddingHead{Dimension: 64}
	if _, err := NewScorer(network); !errors.Is(err, ErrNotQuality) || !strings.Contains(err.Error(), "has 64 values") {
		t.Errorf("64 values: error %v", err)
	}
}

func TestDecodeOfZeros(t *testing.T) {
	decoder := embeddingDecoder{zero: 7}
	stored := make([]int8, EmbeddingSize)
	for i := range stored {
		stored[i] = 7
		decoder.scale[i] = 0.1
	}
	if !decoder.decode(stored).IsZero() {
		t.Error("zeros have a direction")
	}
	stored[3] = 8
	if got := decoder.decode(stored).vector.values[3]; got != 1 {
		t.Errorf("the only value is %g of the length", got)
	}
}

func TestSimilarity(t *testing.T) {
	for degrees, want := range map[float64]float64{0: 1, 60: 0.5, 90: 0, 180: -1} {
		if got := Similarity(axis(20), axis(20+degrees)); math.Abs(got-want) > 1e-6 {
			t.Errorf("%g degrees apart: %g, expected %g", degrees, got, want)
		}
	}
	if got := Similarity(axis(0), Embedding{}); got != 0 {
		t.Errorf("similarity %g to none", got)
	}
}

// No form of an embedding that a program writes by accident holds its values, wherever it is in a structure.
func TestEmbeddingIsPrivate(t *testing.T) {
	secret := axis(30) // 0.866 and 0.5
	type visit struct {
		Exported Embedding
		hidden   Embedding
		list     []Embedding
		pointer  *Embedding
	}
	v := visit{secret, secret, []Embedding{secret}, &secret}
	var log bytes.Buffer
	logger := zerolog.New(&log)
	logger.Info().Interface("visit", v).Interface("embedding", secret).Stringer("text", secret).Send()
	texts := []string{log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%g", "%d", "%q", "%T"} {
		for _, value := range []any{secret, &secret, v, &v, []Embedding{secret}, map[string]Embedding{"a": secret}} {
			texts = append(texts, fmt.Sprintf(verb, value))
		}
	}
	for _, text := range texts {
		for _, leak := range []string{"0.86", "0.5", "3f5d", "3f00", ".866"} {
			if strings.Contains(strings.ToLower(text), leak) {
				t.Errorf("%q holds a value", text)
			}
		}
	}
	if got := fmt.Sprintf("%v %+v %s %x", secret, secret, secret, secret); got != "embedding embedding embedding embedding" {
		t.Errorf("printed as %q", got)
	}
}

func TestEmbeddingIsNotEncoded(t *testing.T) {
	secret := axis(30)
	type message struct{ Face Embedding }
	var sink bytes.Buffer
	for name, encode := range map[string]func(value any) error{
		"json": func(value any) error { return json.NewEncoder(&sink).Encode(value) },
		"xml":  func(value any) error { return xml.NewEncoder(&sink).Encode(value) },
		"yaml": func(value any) error { return yaml.NewEncoder(&sink).Encode(value) },
		"gob":  func(value any) error { return gob.NewEncoder(&sink).Encode(value) },
	} {
		for _, value := range []any{secret, &secret, message{secret}, []Embedding{secret}} {
			if err := encode(value); !errors.Is(err, ErrPrivate) && (err == nil || !strings.Contains(err.Error(), ErrPrivate.Error())) {
				t.Errorf("%s of %T: error %v", name, value, err)
			}
		}
	}
	// Nothing but methods gives access to the values.
	embedding := reflect.TypeFor[Embedding]()
	for i := range embedding.NumField() {
		if field := embedding.Field(i); field.IsExported() {
			t.Errorf("field %s is exported", field.Name)
		}
	}
}
