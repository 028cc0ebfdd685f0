package quality

import (
	"errors"
	"math"
	"testing"

	"facesieve/models"
)

func TestMatcher(t *testing.T) {
	matcher, err := NewMatcher(&models.Manifest{Quality: &models.QualityHead{Embedding: &models.EmbeddingHead{
		Thresholds: []models.SimilarityThresholds{
			{MinScore: 30, FMR1e3: 0.5, FMR1e4: 0.7},
			{MinScore: 50, FMR1e3: 0.3, FMR1e4: 0.4},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := matcher.MinScore(); got != 30 {
		t.Errorf("lowest score %g", got)
	}
	none, nan := Embedding{}, math.NaN()
	similar := func(cosine float64) Embedding { return axis(math.Acos(cosine) * 180 / math.Pi) }
	for name, c := range map[string]struct {
		b              Embedding
		scoreA, scoreB float64
		want           Verdict
	}{
		"same":                        {similar(0.75), 40, 40, Same},
		"between":                     {similar(0.6), 40, 40, Unknown},
		"different":                   {similar(0.45), 40, 40, Different},
		"good faces, same":            {similar(0.45), 50, 99, Same},
		"good faces, different":       {similar(0.25), 50, 50, Different},
		"the lower score counts":      {similar(0.45), 99, 49.9, Different},
		"the first lower one, too":    {similar(0.45), 30, 99, Different},
		"score too low":               {similar(1), 99, 29.9, Unknown},
		"score too low and different": {similar(-1), 29.9, 99, Unknown},
		"no embedding":                {none, 99, 99, Unknown},
		"score is no number":          {similar(1), 99, nan, Unknown},
	} {
		if got := matcher.Compare(axis(0), c.b, c.scoreA, c.scoreB); got != c.want {
			t.Errorf("%s: %v, expected %v", name, got, c.want)
		}
		if got := matcher.Compare(c.b, axis(0), c.scoreB, c.scoreA); got != c.want {
			t.Errorf("%s, exchanged: %v, expected %v", name, got, c.want)
		}
	}
}

func TestMatcherNeedsAnEmbedding(t *testing.T) {
	for name, m := range map[string]*models.Manifest{
		"labels only": {Quality: &models.QualityHead{}}, "detector": {Task: models.TaskDetector},
	} {
		if _, err := NewMatcher(m); !errors.Is(err, ErrNotQuality) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// The network of the program: one portrait in two versions is one person, and not the person of another image.
func TestMatcherOfTheNetwork(t *testing.T) {
	scorer, network := embeddedScorer(t)
	matcher, err := NewMatcher(network.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	frame := portrait(t)
	score, face := embed(t, scorer, align(t, frame, portraitLandmarks))
	shifted := portraitLandmarks
	for i := range shifted {
		shifted[i][0] += 2
	}
	shiftedScore, shiftedFace := embed(t, scorer, align(t, frame, shifted))
	if got := matcher.Compare(face, shiftedFace, score.Value, shiftedScore.Value); got != Same {
		t.Errorf("shifted by two pixels: %v, similarity %g", got, Similarity(face, shiftedFace))
	}
	_, other := embed(t, scorer, testImage(t, 0))
	if got := matcher.Compare(face, other, score.Value, score.Value); got != Different {
		t.Errorf("an image without a face: %v, similarity %g", got, Similarity(face, other))
	}
	if got := matcher.Compare(face, face, score.Value, matcher.MinScore()-1); got != Unknown {
		t.Errorf("a low score: %v", got)
	}
}
