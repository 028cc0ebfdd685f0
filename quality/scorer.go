package quality

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"gocv.io/x/gocv"

	"facesieve/models"
)

// MaxLabels is the number of labels that a quality network may have.
const MaxLabels = 8

// ErrNotQuality marks a network that does not score aligned faces.
var ErrNotQuality = errors.New("not a quality network for aligned faces")

// Network runs a network; *models.Interpreter implements it.
type Network interface {
	Manifest() *models.Manifest
	SetPixels(bgr []byte) error
	Invoke() error
	Output(k int) models.Tensor
}

// Score is how well a recogniser will do with a face.
type Score struct {
	Value  float64            // 0..100, higher is better, calibrated: 50 is the median of clean photographs
	Raw    float64            // weighted mean of the labels, before calibration
	Labels map[string]float64 // expectation of each label of the network, 0..1, by name
}

// Scorer scores aligned faces with a network, which remains the caller's to close.
type Scorer struct {
	network   Network
	labels    []labelDecoder
	weights   float64           // their sum
	curve     curve             // raw -> score
	embedding *embeddingDecoder // nil: the network has none
	pose      *poseDecoder      // nil: the network has none
	scored    bool              // the outputs are those of the last face
}

// NewScorer returns a Scorer that runs network, which must stay open until after the last Score. Its manifest must be
// that of a quality network for Size x Size pixels, otherwise the error is ErrNotQuality. That the outputs match the
// manifest is not checked here; package models does.
func NewScorer(network Network) (*Scorer, error) {
	m := network.Manifest()
	if m.Task != models.TaskQuality || m.Quality == nil {
		return nil, fmt.Errorf("score: network %q has the task %q; give one with the task %q: %w",
			m.Name, m.Task, models.TaskQuality, ErrNotQuality)
	}
	if m.Input.Width != Size || m.Input.Height != Size {
		return nil, fmt.Errorf("score: network %q takes %dx%d pixels, faces are aligned to %dx%d; "+
			"train one for that size: %w", m.Name, m.Input.Width, m.Input.Height, Size, Size, ErrNotQuality)
	}
	if n := len(m.Quality.Labels); n == 0 || n > MaxLabels {
		return nil, fmt.Errorf("score: network %q has %d labels; 1..%d are supported: %w",
			m.Name, n, MaxLabels, ErrNotQuality)
	}
	embedding, err := newEmbeddingDecoder(m)
	if err != nil {
		return nil, err
	}
	s := &Scorer{
		network: network, curve: curve{x: m.Quality.Calibration.Raw, y: m.Quality.Calibration.Score}, embedding: embedding,
		pose: newPoseDecoder(m),
	}
	for _, label := range m.Quality.Labels {
		s.labels = append(s.labels, newLabelDecoder(label, m.Outputs[label.Output].Scale))
		s.weights += label.Weight
	}
	return s, nil
}

// Score scores an aligned face: Size x Size BGR pixels of 8 bits without gaps between the rows. It does not change
// them.
func (s *Scorer) Score(aligned gocv.Mat) (Score, error) {
	s.scored = false
	pixels, err := alignedPixels(aligned)
	if err != nil {
		return Score{}, fmt.Errorf("score: %w", err)
	}
	if err := s.network.SetPixels(pixels); err != nil {
		return Score{}, fmt.Errorf("score: %w", err)
	}
	if err := s.network.Invoke(); err != nil {
		return Score{}, fmt.Errorf("score: %w", err)
	}
	s.scored = true
	return s.decode(), nil
}

// Embedding returns the embedding of the face that Score scored last, which the same run of the network computed. It has
// memory of its own. It is the zero Embedding if that Score failed, and if the network has no
// embedding.
func (s *Scorer) Embedding() Embedding {
	if s.embedding == nil || !s.scored {
		return Embedding{}
	}
	return s.embedding.decode(s.network.Output(s.embedding.output).Data)
}

// Pose returns the pose of the head of the face that Score scored last, which the same run of the network computed. It
// reports false if that Score failed, and if the network has no pose.
func (s *Scorer) Pose() (HeadPose, bool) {
	if s.pose == nil || !s.scored {
		return HeadPose{}, false
	}
	return s.pose.decode(s.network.Output(s.pose.output).Data)
}

// decode returns the score of the last run's outputs.
func (s *Scorer) decode() Score {
	score := Score{Labels: make(map[string]float64, len(s.labels))}
	for i := range s.labels {
		label := &s.labels[i]
		value := label.expectation(s.network.Output(label.output).Data)
		score.Labels[label.name] = value
		score.Raw += label.weight * value / s.weights
	}
	score.Value = s.curve.at(score.Raw)
	return score
}

// labelDecoder decodes one output of the network, logits in int8, to the value of its label.
type labelDecoder struct {
	name   string
	output int
	bins   []float64
	weight float64
	exp    [256]float64 // exponential of a logit that is i quantisation steps below the largest
}

// newLabelDecoder returns the decoder of a label whose output has that quantisation scale. The softmax cancels the zero
// point.
func newLabelDecoder(label models.Label, scale float64) labelDecoder {
	d := labelDecoder{name: label.Name, output: label.Output, bins: label.Bins, weight: label.Weight}
	for i := range d.exp {
		d.exp[i] = math.Exp(-scale * float64(i))
	}
	return d
}

// expectation returns the mean of the bins under the softmax of logits, one for each bin.
func (d *labelDecoder) expectation(logits []int8) float64 {
	top := int(slices.Max(logits))
	var sum, weighted float64
	for i, logit := range logits {
		weight := d.exp[top-int(logit)]
		sum += weight
		weighted += weight * d.bins[i]
	}
	return weighted / sum
}

// curve is piecewise linear, and constant beyond its ends; x increases strictly.
type curve struct{ x, y []float64 }

func (c curve) at(x float64) float64 {
	i := sort.SearchFloat64s(c.x, x)
	switch {
	case i == 0:
		return c.y[0]
	case i == len(c.x):
		return c.y[i-1]
	}
	share := (x - c.x[i-1]) / (c.x[i] - c.x[i-1])
	return c.y[i-1] + share*(c.y[i]-c.y[i-1])
}
