package web

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/daemon"
	"facesieve/cmd/facesieve/internal/feedback"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/models"
	"facesieve/publish/event"
	"facesieve/quality"
)

// learned returns a learner of camera gate with reports about faces of every score, of which the better ones are
// matched more often.
func learned(t *testing.T) *feedback.Learner {
	t.Helper()
	network, err := models.Embedded(models.TaskQuality)
	testsupport.Must(t, err)
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	l := feedback.Open("", zerolog.Nop(), now)
	l.Configure(network.Manifest, map[string]feedback.Settings{
		"gate": {Auto: true, Share: 0.9, Min: 10, Max: 50, Start: 20},
	})
	random := rand.New(rand.NewPCG(7, 8)) //nolint:gosec // a fixed sequence
	for i := range 1200 {
		now = now.Add(2 * time.Minute)
		score := 20 + 60*random.Float64()
		id := event.ReplayID(now, "pole", "gate", uint64(i))
		l.Sent(event.Face{ID: id, Camera: "gate", Quality: event.Quality{Score: score}}, now)
		outcome := event.OutcomeMatch
		if random.Float64() > 0.4+score/120 {
			outcome = event.OutcomeNoMatch
		}
		payload, err := event.EncodeFeedback(event.Feedback{
			Schema: event.Version, ID: id, Outcome: outcome, Recogniser: "arcface-r50 2.1",
		})
		testsupport.Must(t, err)
		l.Report(event.FeedbackMessage{Camera: "gate", Payload: payload}, now)
		l.Advance(now)
	}
	l.Report(event.FeedbackMessage{Camera: "gate", Payload: []byte("{}")}, now)
	return l
}

// The view shows the learned curve, and freezes the threshold or lets it follow again.
func TestFeedbackView(t *testing.T) {
	t.Parallel()
	l := learned(t)
	const settings = "feedback: {enabled: true}\nquality: {threshold: auto, target: 0.9}\n"
	p := controlledPageOf(t, settings, func(s *daemon.State) {
		camera, err := s.InForce.Camera("gate")
		if err != nil {
			t.Error(err)
			return
		}
		automatic := feedback.Settings{Min: 10, Max: 50, Share: 0.9, Start: 20, Auto: camera.Quality.Threshold == quality.Auto}
		l.Configure(s.Networks[0], map[string]feedback.Settings{"gate": automatic})
		threshold, auto := l.Threshold("gate")
		if !auto {
			threshold = camera.Quality.LeastScore()
		}
		snapshot := l.Snapshot("gate", threshold)
		s.Cameras[0].Feedback, s.Cameras[0].Settings = &snapshot, event.Settings{Threshold: threshold, Policy: "best", Auto: auto}
	})
	fillCalibration(t, p.recorder)
	threshold, _ := l.Threshold("gate")
	if threshold <= 20 {
		t.Fatalf("the threshold has not risen: %v", threshold)
	}
	b := openBrowser(t)
	b.device(1280, 1400, "light")
	b.run(chromedp.Navigate(p.base + "/?token=" + p.token))
	b.run(chromedp.Navigate(p.base + "/#calibrate/gate"))
	b.awaitText(".learned h2", "What the recogniser reports")
	b.awaitText(".learned .caption", "arcface-r50 2.1")
	b.awaitText(".learned", "Ignored since the start: 1 not valid")
	b.awaitText(".learned", fmt.Sprintf("from score %g on", threshold))
	b.run(chromedp.ScrollIntoView(chromedp.CSS(".learned")))
	b.screenshot("feedback")
	b.press(fmt.Sprintf("Freeze the threshold at %g", threshold))
	b.awaitText(".learned .buttons", "Let the threshold follow the reports")
	if got := inForceThreshold(t, p.inForce()); got != quality.Threshold(threshold) {
		t.Errorf("frozen at %v, not %v", got, threshold)
	}
	b.press("Let the threshold follow the reports")
	b.awaitText(".learned .buttons", "Freeze the threshold")
	if got := inForceThreshold(t, p.inForce()); got != quality.Auto {
		t.Errorf("threshold %v", got)
	}
	b.noFaults()
	b.device(360, 740, "dark")
	b.fits("the feedback of the recogniser")
	b.run(chromedp.ScrollIntoView(chromedp.CSS(".learned")))
	b.screenshot("phone-feedback")
	b.noFaults()
}

func inForceThreshold(t *testing.T, cfg *config.InForce) quality.Threshold {
	t.Helper()
	camera, err := cfg.Camera("gate")
	testsupport.Must(t, err)
	return camera.Quality.Threshold
}
