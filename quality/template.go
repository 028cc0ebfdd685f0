package quality

import "time"

// template is what is known of the looks of a person: the mean of the embeddings of a visit, weighted by score, and the
// last of them. The mean holds what the faces have in common; the last one follows a head that turns. Like Embedding it
// is biometric data that never leaves the process. The zero value is empty.
type template struct {
	mean   Embedding
	length float64 // of the weighted sum of which mean is the direction
	score  float64 // highest score of the faces
	last   Embedding
	recent float64   // score of last
	seen   time.Time // of the frame of last
	faces  int
}

// weakScore is the lowest score of a face that is added to a template. A single face below Matcher.MinScore cannot be
// compared. The mean of several can: on recordings of streets and rooms, the means of three and more such faces of one
// track have similarities of 0.62 and more to the same person's good faces, and at most 0.32 to those of others.
const weakScore = 12

// weakDifferent is the similarity up to which the mean of weak faces alone is another person's. It is lower than that of
// faces that can be compared, because blur that all of them share hides the person: on a rendered recording, the mean of seven
// faces with strong motion blur had a similarity of 0.29 to sharp faces of the same person.
const weakDifferent = 0.2

// foundingFaces is the number of faces of a template from which on only those are added that look like it. Otherwise a
// face that is half hidden by another one would lead the template over to the other person. It is also the number of
// weak faces whose mean can be compared, and of faces before one can be another person's: the first may be odd.
const foundingFaces = 3

// learn adds a face with this score, 0..100, if it can be of this person.
func (t *template) learn(m *Matcher, e Embedding, score float64, at time.Time) {
	switch strong := score >= m.MinScore(); {
	case e.IsZero() || score < weakScore || !strong && t.score >= m.MinScore():
		return
	case t.faces < foundingFaces,
		strong && t.verdict(m, e, score) == Same,
		!strong && m.affinity(t.mean, e, m.MinScore(), m.MinScore()) > 0:
		t.add(e, score, at)
	}
}

// add adds a face with this score, 0..100, of the frame at this time.
func (t *template) add(e Embedding, score float64, at time.Time) {
	t.mean, t.length = weightedMean(t.mean, t.length, e, score)
	t.score = max(t.score, score)
	t.last, t.recent, t.seen = e, score, at
	t.faces++
}

// merge adds the faces of an earlier template of the same person.
func (t *template) merge(earlier template) {
	if earlier.faces == 0 {
		return
	}
	if t.faces == 0 {
		*t = earlier
		return
	}
	t.mean, t.length = weightedMean(t.mean, t.length, earlier.mean, earlier.length)
	t.score = max(t.score, earlier.score)
	t.faces += earlier.faces
}

// comparableScore returns the score by which the mean is compared, below Matcher.MinScore if it cannot be.
func (t *template) comparableScore(m *Matcher) float64 {
	if t.faces >= foundingFaces {
		return max(t.score, m.MinScore())
	}
	return t.score
}

// similarity returns how similar a face is to the more similar of mean and last face, -1..1.
func (t *template) similarity(e Embedding) float64 {
	return max(Similarity(t.mean, e), Similarity(t.last, e))
}

// verdict returns whether a face is of this person, by the more similar of mean and last face.
func (t *template) verdict(m *Matcher, e Embedding, score float64) Verdict {
	mean, last := m.Compare(t.mean, e, t.comparableScore(m), score), m.Compare(t.last, e, t.recent, score)
	if t.score < m.MinScore() {
		last = mean
		if Similarity(t.mean, e) > weakDifferent && mean == Different {
			return Unknown
		}
	}
	switch {
	case mean == Same || last == Same:
		return Same
	case mean == Different && last == Different:
		return Different
	default:
		return Unknown
	}
}

// affinity is Matcher.affinity for a face and the more similar of mean and last face.
func (t *template) affinity(m *Matcher, e Embedding, score float64) float64 {
	mean := m.affinity(t.mean, e, t.comparableScore(m), score)
	if last := m.affinity(t.last, e, t.recent, score); last > mean || mean == 0 {
		return last
	}
	return mean
}

// sameness returns the similarity of the means of two templates if they are of one person, else 0.
func (t *template) sameness(m *Matcher, other *template) float64 {
	if m.Compare(t.mean, other.mean, t.comparableScore(m), other.comparableScore(m)) != Same {
		return 0
	}
	return Similarity(t.mean, other.mean)
}
