package feedback

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"facesieve/publish/event"
)

// busy returns a site with a full ledger, and reports about its last events.
func busy(b *testing.B, directory string) *site {
	b.Helper()
	w := newSite(b, directory, auto())
	w.pass(4*24*time.Hour, 50, honest)
	for range mostEvents {
		w.report(w.send(45), event.OutcomeMatch, recogniser)
	}
	return w
}

func BenchmarkReport(b *testing.B) {
	w := newSite(b, "", auto())
	var payloads [][]byte
	for range mostEvents {
		payload, err := event.EncodeFeedback(event.Feedback{
			Schema: event.Version, ID: w.send(45), Outcome: event.OutcomeMatch, Recogniser: recogniser,
		})
		if err != nil {
			b.Fatal(err)
		}
		payloads = append(payloads, payload)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.learner.Report(event.FeedbackMessage{Camera: "door", Payload: payloads[i%len(payloads)]}, w.now)
	}
}

// BenchmarkAdvance ends an hour of one camera whose threshold may move, without files.
func BenchmarkAdvance(b *testing.B) {
	w := busy(b, "")
	c := w.learner.cameras["door"]
	faces, counted := c.faces, *c.recognisers[recogniser]
	b.ReportAllocs()
	for b.Loop() {
		c.faces, *c.recognisers[recogniser] = faces, counted
		w.now = w.now.Add(time.Hour)
		w.learner.Advance(w.now)
	}
}

func BenchmarkSnapshot(b *testing.B) {
	w := busy(b, "")
	b.ReportAllocs()
	for b.Loop() {
		w.learner.Snapshot("door", 20)
	}
}

// BenchmarkSave writes both files of one camera with as many events as are kept, and reports their sizes.
func BenchmarkSave(b *testing.B) {
	directory := b.TempDir()
	w := busy(b, directory)
	b.ReportAllocs()
	for b.Loop() {
		w.learner.change()
		w.learner.Close(w.now)
	}
	for name, unit := range map[string]string{"feedback.json": "B/curves", "feedback-events.json": "B/events"} {
		info, err := os.Stat(filepath.Join(directory, name))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size()), unit)
	}
}
