package quality

import (
	"errors"
	"fmt"
	"slices"

	"gocv.io/x/gocv"

	"facesieve/models"
)

// MaxLabels is the number of labels that a quality network may have.
const MaxLabels = 8

// ErrNotQuality marks a network that does not score aligned faces.
var ErrNotQuality = errors.New("not a quality network for aligned faces")

// Network runs a network; *models.Interpreter does.
type Network interface {
	Manifest() *models.Manifest
	SetPixels(bgr []byte) error
	Invoke() error
	Output(k int) models.Tensor
}

// Score is how well a recogniser will do with a face.
type Score struct {
	Value  float64            // 0..100, higher is better, calibrated: the same meaning with every network
	Raw    float64            // weighted mean of the labels, in their units
	Labels [MaxLabels]float64 // expectation of each label, in the order of Scorer.Labels; the rest is 0
}

// Scorer scores aligned faces with a network. It borrows the network and frees nothing.
type Scorer struct {
	network Network
	names   []string
	heads   []head
	weights float64 // their sum
	curve   curve
}

// NewScorer returns a Scorer that runs network. Its manifest must be of a quality network for Size x Size pixels; the
// network is not closed before the last Score; that its outputs are those of its manifest is models' to check.
func NewScorer(network Network) (*Scorer, error) {
	m := network.Manifest()
	if m.Task != models.TaskQuality || m.Quality == nil {
		return nil, fmt.Errorf("score: network %q has the task %q; give one with the task %q: %w",
			m.Name, m.Task, models.TaskQuality, ErrNotQuality)
	}
	if m.Input.Width != Size || m.Input.Height != Size {
		return nil, fmt.Errorf("score: network %q takes %dx%d pixels, faces are aligned to %dx%d; train one for that size: %w",
			m.Name, m.Input.Width, m.Input.Height, Size, Size, ErrNotQuality)
	}
	if n := len(m.Quality.Labels); n == 0 || n > MaxLabels {
		return nil, fmt.Errorf("score: network %q has %d labels; 1..%d are supported: %w", m.Name, n, MaxLabels, ErrNotQuality)
	}
	s := &Scorer{network: network, curve: curve{x: m.Quality.Calibration.Raw, y: m.Quality.Calibration.Score}}
	for _, label := range m.Quality.Labels {
		s.names = append(s.names, label.Name)
		s.heads = append(s.heads, newHead(label, m.Outputs[label.Output].Scale))
		s.weights += label.Weight
	}
	return s, nil
}

// Labels returns the names of the labels, in the order of Score.Labels.
func (s *Scorer) Labels() []string { return slices.Clone(s.names) }

// Named returns the labels of a score by name, each 0..1.
func (s *Scorer) Named(score Score) map[string]float64 {
	named := make(map[string]float64, len(s.names))
	for i, name := range s.names {
		named[name] = score.Labels[i]
	}
	return named
}

// Score scores an aligned face: Size x Size BGR pixels of 8 bits without gaps, borrowed.
func (s *Scorer) Score(aligned gocv.Mat) (Score, error) {
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
	return s.decode(), nil
}

// decode reads the outputs of the last run.
func (s *Scorer) decode() Score {
	var score Score
	for i := range s.heads {
		h := &s.heads[i]
		score.Labels[i] = h.expectation(s.network.Output(h.output).Data)
		score.Raw += h.weight * score.Labels[i] / s.weights
	}
	score.Value = s.curve.at(score.Raw)
	return score
}
