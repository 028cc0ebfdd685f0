package quality

import (
	"errors"
	"fmt"
	"math"

	"facesieve/models"
)

// EmbeddingSize is the number of values of an embedding.
const EmbeddingSize = 128

// ErrPrivate is the error of each attempt to encode an Embedding.
var ErrPrivate = errors.New("an embedding never leaves the process")

// Embedding identifies the person of a face: embeddings of one person are similar. Its values have Euclidean length 1.
// It is immutable and may be shared. The zero value is no embedding.
//
// It is biometric data: it can be compared within the process, and neither printed nor encoded. The values are behind
// two pointers, because package fmt cannot call Format for an unexported field, and follows one pointer there.
type Embedding struct{ vector *vector }

type vector struct{ values *[EmbeddingSize]float32 }

func newEmbedding(values *[EmbeddingSize]float32) Embedding { return Embedding{&vector{values}} }

// IsZero reports whether it is no embedding.
func (e Embedding) IsZero() bool { return e.vector == nil }

// String returns "embedding".
func (Embedding) String() string { return "embedding" }

// Format prints "embedding" for every verb.
func (e Embedding) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(e.String())) }

// MarshalJSON returns ErrPrivate.
func (Embedding) MarshalJSON() ([]byte, error) { return nil, ErrPrivate }

// MarshalText returns ErrPrivate; XML and YAML use it.
func (Embedding) MarshalText() ([]byte, error) { return nil, ErrPrivate }

// MarshalBinary returns ErrPrivate; gob uses it.
func (Embedding) MarshalBinary() ([]byte, error) { return nil, ErrPrivate }

// Similarity returns the cosine of two embeddings, -1..1; it is 0 if one of them is none.
func Similarity(a, b Embedding) float64 {
	if a.IsZero() || b.IsZero() {
		return 0
	}
	x, y := a.vector.values, b.vector.values
	// Four sums, so that an addition does not wait for the one before.
	var s0, s1, s2, s3 float32
	for i := 0; i < EmbeddingSize; i += 4 {
		s0 += x[i] * y[i]
		s1 += x[i+1] * y[i+1]
		s2 += x[i+2] * y[i+2]
		s3 += x[i+3] * y[i+3]
	}
	return float64(max(-1, min(1, s0+s1+s2+s3)))
}

// weightedMean returns the direction of the weighted sum of two embeddings, in memory of its own, and the length of that
// sum. A zero Embedding counts nothing.
func weightedMean(a Embedding, weightA float64, b Embedding, weightB float64) (Embedding, float64) {
	sums := new([EmbeddingSize]float32)
	for _, one := range []struct {
		embedding Embedding
		weight    float64
	}{{a, weightA}, {b, weightB}} {
		if one.embedding.IsZero() {
			continue
		}
		for i, value := range one.embedding.vector.values {
			sums[i] += float32(one.weight) * value
		}
	}
	return normalised(sums)
}

// normalised scales values in place to length 1, and returns them as an embedding, and the length that they had. Values
// that are all 0 are no embedding.
func normalised(values *[EmbeddingSize]float32) (Embedding, float64) {
	var sum float64
	for _, value := range values {
		sum += float64(value) * float64(value)
	}
	if sum == 0 {
		return Embedding{}, 0
	}
	length := math.Sqrt(sum)
	scale := float32(1 / length)
	for i := range values {
		values[i] *= scale
	}
	return newEmbedding(values), length
}

// embeddingDecoder decodes one output of the network to an Embedding.
type embeddingDecoder struct {
	output int
	zero   int
	scale  [EmbeddingSize]float32
}

// newEmbeddingDecoder returns the decoder of a network's embedding, or nil if the network has none.
func newEmbeddingDecoder(m *models.Manifest) (*embeddingDecoder, error) {
	head := m.Quality.Embedding
	if head == nil {
		return nil, nil
	}
	if head.Dimension != EmbeddingSize {
		return nil, fmt.Errorf("score: the embedding of network %q has %d values, %d are supported; "+
			"export it without embedding: %w", m.Name, head.Dimension, EmbeddingSize, ErrNotQuality)
	}
	d := &embeddingDecoder{output: head.Output, zero: m.Outputs[head.Output].ZeroPoint}
	for i, scale := range head.Scale {
		d.scale[i] = float32(scale)
	}
	return d, nil
}

// decode returns the embedding in new memory. It is none if all values are 0, or if there are no values because the
// network is closed.
func (d *embeddingDecoder) decode(stored []int8) Embedding {
	if len(stored) != EmbeddingSize {
		return Embedding{}
	}
	values := new([EmbeddingSize]float32)
	for i, v := range stored {
		values[i] = float32(int(v)-d.zero) * d.scale[i]
	}
	embedding, _ := normalised(values)
	return embedding
}
