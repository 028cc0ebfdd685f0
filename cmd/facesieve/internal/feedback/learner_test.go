package feedback

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/models"
	"facesieve/publish/event"
)

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant

const recogniser = "arcface 2.1"

// site is one camera with a learner, whose people are matched with a probability that rises with the score.
type site struct {
	t       testing.TB
	learner *Learner
	now     time.Time
	random  *rand.Rand
	log     bytes.Buffer
	moves   []Move

	mean, spread float64 // of the scores
	middle       float64 // score at which half of the faces are matched
	best         float64 // share of matches at high scores
}

func newSite(t testing.TB, directory string, s Settings) *site {
	t.Helper()
	w := &site{t: t, now: start, random: rand.New(rand.NewPCG(5, 6)), mean: 45, spread: 20, middle: 15, best: 0.99} //nolint:gosec // fixed
	w.learner = Open(directory, zerolog.New(&w.log), w.now)
	w.learner.Configure(network(t), map[string]Settings{"door": s})
	return w
}

func network(t testing.TB) models.Manifest {
	t.Helper()
	m, err := models.Embedded("quality")
	if err != nil {
		t.Fatal(err)
	}
	return m.Manifest
}

func auto() Settings { return Settings{Auto: true, Share: 0.95, Min: 10, Max: 50, Start: 20} }

// visit is one person before the camera. It returns whether the face was sent, and matched.
func (w *site) visit(answer func(matched bool) string) (sent, matched bool) {
	score := max(0, min(100, w.mean+w.spread*w.random.NormFloat64()))
	threshold, ok := w.learner.Threshold("door")
	if !ok {
		threshold = 20
	}
	if score < threshold {
		w.learner.Rejected("door", score)
		return false, false
	}
	matched = w.random.Float64() < w.best/(1+math.Exp(-(score-w.middle)/4))
	id := w.send(score)
	if outcome := answer(matched); outcome != "" {
		w.report(id, outcome, recogniser)
	}
	return true, matched
}

func (w *site) send(score float64) (id string) {
	id = event.ReplayID(w.now, "gate", "door", w.random.Uint64())
	w.learner.Sent(event.Face{ID: id, Camera: "door", Quality: event.Quality{Score: score}}, w.now)
	return id
}

func (w *site) report(id, outcome, recogniser string) {
	w.t.Helper()
	payload, err := event.EncodeFeedback(event.Feedback{
		Schema: event.Version, ID: id, Outcome: outcome, Recogniser: recogniser,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.learner.Report(event.FeedbackMessage{Camera: "door", Payload: payload}, w.now)
}

// pass lets time pass with visits an hour, and returns the share of the sent faces that are matched.
func (w *site) pass(duration time.Duration, visits int, answer func(bool) string) float64 {
	sentFaces, matches := 0, 0
	for end := w.now.Add(duration); w.now.Before(end); {
		for range visits {
			sent, matched := w.visit(answer)
			if sent {
				sentFaces++
			}
			if matched {
				matches++
			}
			w.now = w.now.Add(time.Hour / time.Duration(visits))
			w.moves = append(w.moves, w.learner.Advance(w.now)...)
		}
	}
	return float64(matches) / float64(sentFaces)
}

func honest(matched bool) string {
	if matched {
		return event.OutcomeMatch
	}
	return event.OutcomeNoMatch
}

// A week in fast-forward: the threshold of a camera with a bad picture rises until the wanted share is matched, that of
// a good one falls to its bound, and neither ever moves by more than 2 points in an hour.
func TestThresholdReachesTheWantedShare(t *testing.T) {
	for name, c := range map[string]struct {
		mean, middle float64
		high         bool
	}{
		"dark": {35, 25, true}, "good": {60, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSite(t, "", auto())
			w.mean, w.middle = c.mean, c.middle
			before := w.pass(24*time.Hour, 40, honest)
			w.pass(6*24*time.Hour, 40, honest)
			after := w.pass(24*time.Hour, 40, honest)
			threshold, _ := w.learner.Threshold("door")
			if c.high && (threshold <= 24 || before > 0.92 || math.Abs(after-0.95) > 0.025) {
				t.Errorf("threshold %v, share %.3f, then %.3f", threshold, before, after)
			}
			if !c.high && (threshold != 10 || after < 0.95) {
				t.Errorf("threshold %v, share %.3f", threshold, after)
			}
			for _, m := range w.moves {
				if math.Abs(m.To-m.From) > maxStep || m.To < 10 || m.To > 50 {
					t.Errorf("%+v", m)
				}
			}
		})
	}
}

// Without enough reports, from enough hours, nothing moves.
func TestFewReportsMoveNothing(t *testing.T) {
	w := newSite(t, "", auto())
	w.middle = 40
	w.pass(12*time.Hour, 5, honest)
	if len(w.moves) > 0 {
		t.Errorf("%+v", w.moves)
	}
	if s := w.learner.Snapshot("door", 20); s.Waiting == "" || s.Reports == 0 {
		t.Errorf("%+v", s)
	}
}

// A burst of reports in one hour, as of a crowd of strangers, moves nothing, although each is about another event.
func TestBurstMovesNothing(t *testing.T) {
	w := newSite(t, "", auto())
	w.pass(3*time.Hour, 1000, func(bool) string { return event.OutcomeNoMatch })
	w.pass(2*time.Hour, 1, honest)
	if len(w.moves) > 0 {
		t.Errorf("%+v", w.moves)
	}
	if s := w.learner.Snapshot("door", 20); s.Fates[Excess] < 1000 || s.Fates[Accepted] > 4*mostAnHour {
		t.Errorf("%v", s.Fates)
	}
}

// A recogniser that lies moves the threshold within its bounds only, and slowly.
func TestLiarStaysWithinTheBounds(t *testing.T) {
	for outcome, least := range map[string]float64{event.OutcomeUnusable: 20, event.OutcomeMatch: 10} {
		w := newSite(t, "", auto())
		w.pass(10*24*time.Hour, 40, func(bool) string { return outcome })
		threshold, _ := w.learner.Threshold("door")
		if len(w.moves) == 0 || threshold < least || threshold > 50 || outcome == event.OutcomeMatch && threshold != 10 {
			t.Errorf("%s: threshold %v after %d moves", outcome, threshold, len(w.moves))
		}
		for _, m := range w.moves {
			if math.Abs(m.To-m.From) > maxStep {
				t.Errorf("%+v", m)
			}
		}
	}
}

// A camera whose picture becomes worse gets a higher threshold again, and one that recovers a lower one.
func TestThresholdFollowsTheCamera(t *testing.T) {
	w := newSite(t, "", auto())
	w.mean, w.middle = 60, 0
	w.pass(5*24*time.Hour, 40, honest)
	w.mean, w.middle = 35, 25
	w.pass(21*24*time.Hour, 40, honest)
	worse, _ := w.learner.Threshold("door")
	w.mean, w.middle = 60, 0
	w.pass(40*24*time.Hour, 40, honest)
	better, _ := w.learner.Threshold("door")
	if worse < 22 || better > worse-5 {
		t.Errorf("threshold %v, then %v", worse, better)
	}
}

func TestFatesOfReports(t *testing.T) {
	w := newSite(t, "", Settings{})
	id := w.send(50)
	w.report(id, event.OutcomeMatch, recogniser)
	w.report(id, event.OutcomeMatch, recogniser)
	w.report(id, event.OutcomeNoMatch, recogniser) // contradicts the first one
	w.report(id, event.OutcomeUnusable, "another 1")
	w.report(event.ReplayID(w.now, "gate", "door", 99), event.OutcomeMatch, recogniser)
	w.report(event.ReplayID(w.now.Add(-25*time.Hour), "gate", "door", 99), event.OutcomeMatch, recogniser)
	w.learner.Report(event.FeedbackMessage{Camera: "door", Payload: []byte("{}")}, w.now)
	w.learner.Report(event.FeedbackMessage{Camera: "door", Payload: []byte("{}"), Retained: true}, w.now)
	w.learner.Report(event.FeedbackMessage{Camera: "other", Payload: []byte("{}")}, w.now)
	want := map[string]uint64{Accepted: 2, Repeated: 2, Unknown: 1, Late: 1, Invalid: 1, Retained: 1}
	s := w.learner.Snapshot("door", 20)
	if !maps.Equal(s.Fates, want) {
		t.Errorf("%v, not %v", s.Fates, want)
	}
	if s.Reports != 1 || s.Auto || s.Threshold != 20 || s.Share == nil {
		t.Errorf("%+v", s)
	}
	if lines := strings.Count(w.log.String(), "\n"); lines != 1 || !strings.Contains(w.log.String(), "reported match") {
		t.Errorf("%d lines: %s", lines, w.log.String())
	}
}

// Events are forgotten after a day, and the oldest when there are too many.
func TestEventsAreForgotten(t *testing.T) {
	w := newSite(t, "", Settings{})
	first := w.send(50)
	for range mostEvents {
		w.send(50)
	}
	if c := w.learner.cameras["door"]; len(c.ledger.events) != mostEvents || len(c.ledger.byID) != mostEvents ||
		c.ledger.byID[first] != nil {
		t.Errorf("%d events", len(c.ledger.events))
	}
	w.now = w.now.Add(keepEvents + time.Hour)
	w.learner.Advance(w.now)
	if n := len(w.learner.cameras["door"].ledger.byID); n != 0 {
		t.Errorf("%d events after a day", n)
	}
}

// A restart keeps curves, thresholds and events; what it forgets is the time that has passed.
func TestRestartKeepsWhatWasLearned(t *testing.T) {
	directory := t.TempDir()
	w := newSite(t, directory, auto())
	w.mean, w.middle = 35, 25
	w.pass(3*24*time.Hour, 40, honest)
	id := w.send(50)
	w.learner.Close(w.now)
	before := w.learner.Snapshot("door", 0)
	again := newSite(t, directory, auto())
	again.now = w.now
	after := again.learner.Snapshot("door", 0)
	if after.Threshold != before.Threshold || after.Threshold == 20 || after.Recogniser != recogniser ||
		math.Abs(after.Reports-before.Reports) > 0.1 || math.Abs(after.Hours-before.Hours) > 1 {
		t.Errorf("%+v\nbefore: %+v", after, before)
	}
	again.report(id, event.OutcomeMatch, recogniser)
	again.report(id, event.OutcomeMatch, recogniser)
	if fates := again.learner.Snapshot("door", 0).Fates; fates[Accepted] != 1 || fates[Repeated] != 1 {
		t.Errorf("%v", fates)
	}
	info, err := os.Stat(filepath.Join(directory, "feedback.json"))
	if err != nil || info.Size() > 3000 || info.Mode().Perm() != 0o600 {
		t.Errorf("%+v %v", info, err)
	}
}

// Weights halve in two weeks, also while the program does not run.
func TestWeightsHalve(t *testing.T) {
	directory := t.TempDir()
	w := newSite(t, directory, Settings{})
	w.report(w.send(50), event.OutcomeMatch, recogniser)
	w.now = w.now.Add(halfLife)
	w.learner.Advance(w.now)
	if n := w.learner.Snapshot("door", 0).Reports; math.Abs(n-0.5) > 1e-9 {
		t.Errorf("%v reports after a half-life", n)
	}
	w.learner.Close(w.now)
	later := Open(directory, zerolog.Nop(), w.now.Add(halfLife))
	later.Configure(network(t), map[string]Settings{"door": {}})
	if n := later.Snapshot("door", 0).Reports; math.Abs(n-0.25) > 1e-3 {
		t.Errorf("%v reports after two half-lives", n)
	}
}

func TestAnotherNetworkBeginsNewCurves(t *testing.T) {
	directory := t.TempDir()
	w := newSite(t, directory, Settings{})
	id := w.send(50)
	w.report(id, event.OutcomeMatch, recogniser)
	w.learner.Close(w.now)
	other := network(t)
	other.Version += ".1"
	l := Open(directory, zerolog.Nop(), w.now)
	l.Configure(other, map[string]Settings{"door": {}})
	if s := l.Snapshot("door", 0); s.Reports != 0 || s.Recogniser != "" {
		t.Errorf("%+v", s)
	}
}

// The recogniser with the fewest reports gives way to a fifth one.
func TestRecognisersAreBounded(t *testing.T) {
	w := newSite(t, "", Settings{})
	for i := range 6 {
		for range 7 - i {
			w.report(w.send(50), event.OutcomeMatch, fmt.Sprint("recogniser ", i))
		}
	}
	if c := w.learner.cameras["door"]; len(c.recognisers) != mostRecognisers || c.recognisers["recogniser 0"] == nil {
		t.Errorf("%v", c.recognisers)
	}
	if s := w.learner.Snapshot("door", 0); s.Recogniser != "recogniser 0" {
		t.Errorf("%+v", s)
	}
}

func TestFaultyFilesAreKept(t *testing.T) {
	for name, text := range map[string]string{
		"feedback.json":        `{"schema": 1, "cameras": {"door": {"faces": [-1]}}}`,
		"feedback-events.json": `{"schema": 2}`,
	} {
		directory := t.TempDir()
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		l := Open(directory, zerolog.New(&log), start)
		l.Configure(network(t), map[string]Settings{"door": auto()})
		l.Close(start)
		if kept, err := os.ReadFile(path + ".faulty"); err != nil || string(kept) != text {
			t.Errorf("%s: %q %v", name, kept, err)
		}
		if !strings.Contains(log.String(), name+".faulty") {
			t.Errorf("%s: %s", name, log.String())
		}
	}
}

// Whatever a file holds, opening it does not end the program, and weights stay finite.
func FuzzCurvesFile(f *testing.F) {
	f.Add([]byte(`{"schema":1,"network":"n","saved":"2026-03-02T00:00:00Z","cameras":{"door":{"threshold":31,` +
		`"faces":[1,2],"recognisers":{"a":{"matches":[1],"others":[],"hours":3,"squares":2}}}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var file curvesFile
		if json.Unmarshal(text, &file) != nil {
			return
		}
		l := &Learner{cameras: map[string]*camera{}}
		if err := l.restore(file, start); err != nil {
			if l.network != "" || len(l.cameras) > 0 {
				t.Error(errors.Join(err, errors.New("a part of the file is used")))
			}
			return
		}
		for name := range l.cameras {
			if s := l.Snapshot(name, 20); math.IsNaN(s.Reports) || math.IsNaN(s.Curve[0].Probability) {
				t.Errorf("%+v", s)
			}
		}
	})
}
