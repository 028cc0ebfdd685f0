package quality

import (
	"fmt"
	"math"

	"facesieve/models"
)

// Verdict is whether two faces are of one person. models/quality.md has the error rates: near the lowest score Different
// is wrong for one of ten pairs of faces of one visit, so it takes several faces to be sure.
type Verdict int

// Verdicts.
const (
	Unknown   Verdict = iota // the similarity is between the thresholds, or a score is too low for a verdict
	Same                     // two people reach this similarity in one of 10,000 comparisons
	Different                // two people exceed this similarity in one of 1,000 comparisons or more
)

// String returns "unknown", "same" or "different".
func (v Verdict) String() string { return [...]string{"unknown", "same", "different"}[v] }

// Matcher decides whether two faces are of one person, by the thresholds of a network's manifest. It is immutable and
// may be shared.
type Matcher struct{ thresholds []models.SimilarityThresholds }

// NewMatcher returns the Matcher for the embeddings of a network. The error is ErrNotQuality if the network has no
// embedding.
func NewMatcher(m *models.Manifest) (*Matcher, error) {
	if m.Quality == nil || m.Quality.Embedding == nil {
		return nil, fmt.Errorf("match: network %q has no embedding; export it with one: %w", m.Name, ErrNotQuality)
	}
	return &Matcher{thresholds: m.Quality.Embedding.Thresholds}, nil
}

// MinScore returns the lowest score, 0..100, of a face that can be compared.
func (m *Matcher) MinScore() float64 { return m.thresholds[0].MinScore }

// Compare returns whether a and b, the embeddings of faces with these scores (0..100), are of one person. The lower
// score selects the thresholds.
func (m *Matcher) Compare(a, b Embedding, scoreA, scoreB float64) Verdict {
	thresholds, found := m.at(math.Min(scoreA, scoreB))
	if !found || a.IsZero() || b.IsZero() {
		return Unknown
	}
	switch similarity := Similarity(a, b); {
	case similarity > thresholds.FMR1e4:
		return Same
	case similarity <= thresholds.FMR1e3:
		return Different
	default:
		return Unknown
	}
}

// affinity returns how much two embeddings look like one person: 1 from the threshold of Same on, -1 as far below that of
// Different, linear between them, and 0 where a score is too low.
func (m *Matcher) affinity(a, b Embedding, scoreA, scoreB float64) float64 {
	thresholds, found := m.at(math.Min(scoreA, scoreB))
	if !found || a.IsZero() || b.IsZero() {
		return 0
	}
	width := thresholds.FMR1e4 - thresholds.FMR1e3
	return max(-1, min(1, (Similarity(a, b)-thresholds.FMR1e3)/width))
}

// at returns the thresholds for a score; found is false if it is too low, or no number.
func (m *Matcher) at(score float64) (thresholds models.SimilarityThresholds, found bool) {
	for _, t := range m.thresholds {
		if score >= t.MinScore {
			thresholds, found = t, true
		}
	}
	return thresholds, found
}
