package event

import (
	"errors"
	"math"
	"strings"
	"unicode"
)

// Outcomes of a recognition: values of Feedback.Outcome.
const (
	OutcomeMatch    = "match"    // the recogniser identified the person
	OutcomeNoMatch  = "no_match" // the person is enrolled, and was not identified
	OutcomeUnusable = "unusable" // the recogniser could make no template of the face
)

// Outcomes returns the values of Feedback.Outcome.
func Outcomes() []string { return []string{OutcomeMatch, OutcomeNoMatch, OutcomeUnusable} }

// Feedback is what a recogniser reports about the face of one event: the payload of <root>/<camera>/feedback, which
// other programs publish. It names no person.
type Feedback struct {
	Schema int `json:"schema"`
	// ID is that of the event.
	ID string `json:"id"`
	// Outcome is OutcomeMatch, OutcomeNoMatch or OutcomeUnusable. A face of a person who is not enrolled is not reported.
	Outcome string `json:"outcome"`
	// Similarity is that of the best candidate, and Threshold the least similarity of a match, both on the recogniser's
	// own scale; nil: not stated.
	Similarity *float64 `json:"similarity,omitempty"`
	Threshold  *float64 `json:"threshold,omitempty"`
	// Recogniser is the name and version of the recogniser, 1 to 64 characters. What it means for a score to be good is
	// learned for each recogniser alone.
	Recogniser string `json:"recogniser"`
}

// FeedbackMessage is a message on a feedback topic, as another program has sent it. Nothing of it is checked.
type FeedbackMessage struct {
	Camera  string
	Payload []byte
	// Retained is true if the broker had stored the message before the device connected.
	Retained bool
}

// maxRecogniser is the length of Feedback.Recogniser, in characters.
const maxRecogniser = 64

func (e *Feedback) check(bool) error {
	var f faults
	f.check(e.Schema == Version, "schema", "%d is not %d", e.Schema, Version)
	f.id("id", e.ID)
	f.keyword("outcome", e.Outcome, Outcomes(), true)
	f.check(isLabel(e.Recogniser), "recogniser", "%q must be 1 to %d characters, none a control character",
		ShownValue(e.Recogniser), maxRecogniser)
	for path, v := range map[string]*float64{"similarity": e.Similarity, "threshold": e.Threshold} {
		f.check(v == nil || !math.IsNaN(*v) && !math.IsInf(*v, 0), path, "is not a number JSON can carry")
	}
	if e.Similarity != nil && e.Threshold != nil {
		f.check(e.Outcome != OutcomeMatch || *e.Similarity >= *e.Threshold, "outcome",
			"match, but the similarity %g is below the threshold %g", *e.Similarity, *e.Threshold)
		f.check(e.Outcome != OutcomeNoMatch || *e.Similarity < *e.Threshold, "outcome",
			"no_match, but the similarity %g reaches the threshold %g", *e.Similarity, *e.Threshold)
	}
	return errors.Join(f...)
}

// isLabel reports whether text has 1 to maxRecogniser characters and no control characters.
func isLabel(text string) bool {
	n := len([]rune(text))
	return n >= 1 && n <= maxRecogniser && !strings.ContainsFunc(text, unicode.IsControl)
}

// ParseFeedback returns the camera of a feedback topic.
func (t Topics) ParseFeedback(topic string) (camera string, ok bool) {
	rest, inRoot := strings.CutPrefix(topic, t.root+"/")
	camera, isFeedback := strings.CutSuffix(rest, "/"+string(KindFeedback))
	return camera, inRoot && isFeedback && !strings.Contains(camera, "/")
}
