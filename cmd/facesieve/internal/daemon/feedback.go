package daemon

import (
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/feedback"
	"facesieve/models"
	"facesieve/publish/event"
	"facesieve/quality"
)

// reports passes what recognisers report, and the faces that it is about, to a learner. There is none unless feedback
// is enabled. It is safe for concurrent use.
type reports struct {
	learner atomic.Pointer[feedback.Learner]
}

// configure starts or stops the learner as the configuration requires, and sets its network and cameras.
func (r *reports) configure(cfg config.InForce, network models.Manifest, log zerolog.Logger) {
	learner := r.learner.Load()
	switch {
	case !cfg.Feedback.Enabled:
		r.close()
		return
	case learner == nil:
		directory := ""
		if cfg.OverridesPath != "" {
			directory = filepath.Dir(cfg.OverridesPath)
		}
		learner = feedback.Open(directory, log, time.Now())
	}
	cameras := map[string]feedback.Settings{}
	for _, camera := range cfg.Cameras {
		cameras[camera.Name] = feedback.SettingsOf(camera.Quality)
	}
	learner.Configure(network, cameras)
	r.learner.Store(learner)
}

// close saves what was learned, and ends the learner.
func (r *reports) close() {
	if learner := r.learner.Swap(nil); learner != nil {
		learner.Close(time.Now())
	}
}

// accept receives a message on a feedback topic.
func (r *reports) accept(m event.FeedbackMessage) {
	if learner := r.learner.Load(); learner != nil {
		learner.Report(m, time.Now())
	}
}

func (r *reports) sent(e event.Face) {
	if learner := r.learner.Load(); learner != nil {
		learner.Sent(e, time.Now())
	}
}

// rejected records a visit whose best face missed nothing but the threshold.
func (r *reports) rejected(e event.Rejected) {
	learner := r.learner.Load()
	if learner != nil && len(e.Reasons) == 1 && e.Reasons[0].Reason == string(quality.ReasonLowQuality) {
		learner.Rejected(e.Camera, e.Score)
	}
}

// inForce returns a camera whose threshold is the present one if it is auto.
func (r *reports) inForce(camera config.Camera) config.Camera {
	if camera.Quality.Threshold != quality.Auto {
		return camera
	}
	camera.Quality.Threshold = quality.Threshold(camera.Quality.LeastScore())
	if learner := r.learner.Load(); learner != nil {
		if threshold, ok := learner.Threshold(camera.Name); ok {
			camera.Quality.Threshold = quality.Threshold(threshold)
		}
	}
	return camera
}

// snapshot returns what was learned about a camera, or nil.
func (r *reports) snapshot(camera string, threshold float64) *feedback.Snapshot {
	learner := r.learner.Load()
	if learner == nil {
		return nil
	}
	s := learner.Snapshot(camera, threshold)
	return &s
}

// moveThresholds ends the hours of the learner that have passed, and gives the workers the thresholds in force. The
// state of a camera whose threshold has moved is published at once.
func (d *Daemon) moveThresholds(now time.Time) {
	learner := d.reports.learner.Load()
	if learner == nil || d.reload.busy {
		return
	}
	for _, m := range learner.Advance(now) {
		d.log.Info().Str("component", "feedback").Str("camera", m.Camera).Float64("from", m.From).Float64("to", m.To).
			Float64("share", m.Share.Value).Float64("share_low", m.Share.Low).Float64("share_high", m.Share.High).
			Str("recogniser", m.Recogniser).Float64("reports", m.Reports).Msg("the threshold has moved")
	}
	for _, camera := range d.cfg.Cameras {
		w := d.supervisor.named(camera.Name)
		if w == nil || w.disabled || camera.Quality.Threshold != quality.Auto {
			continue
		}
		settings := d.settings(d.cfg.Config, camera, d.pool)
		if err := w.moveTo(settings); err != nil {
			d.log.Error().Err(err).Str("camera", camera.Name).Msg("the threshold cannot be moved; the former one stays")
		}
	}
}
