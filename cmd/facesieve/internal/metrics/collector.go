package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"facesieve/cmd/facesieve/internal/daemon"
	"facesieve/cmd/facesieve/internal/feedback"
	"facesieve/cmd/facesieve/internal/health"
	"facesieve/publish/event"
	"facesieve/publish/outbox"
)

const cameraLabel = "camera"

// stateCollector collects the metrics at each scrape.
type stateCollector struct {
	*Metrics
	state func() *daemon.State
}

// Describe describes nothing, because the series depend on the cameras.
func (stateCollector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the metrics of the present state.
func (s stateCollector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range s.all(s.state()) {
		ch <- m
	}
}

func (m *Metrics) all(state *daemon.State) []prometheus.Metric {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	b := &builder{}
	configured := map[string]bool{}
	for _, c := range state.Cameras {
		configured[c.Name] = true
		m.camera(c.Name).collect(b, c)
		settings, err := state.Camera(c.Name)
		b.gauge("camera_enabled", "1 if the configuration enables the camera.", truth(err == nil && settings.Enabled),
			cameraLabel, c.Name)
	}
	for name := range m.cameras {
		if !configured[name] {
			delete(m.cameras, name)
		}
	}
	b.uplink(state)
	b.reload(state, m.started)
	return b.metrics
}

// collect adds the metrics of a camera in this state.
func (c *camera) collect(b *builder, state daemon.CameraState) {
	c.source.update(state.Worker, state.Source)
	source, label := c.source.total(), []string{cameraLabel, c.name}
	b.gauge("camera_up", "1 while frames arrive from the camera.", truth(state.State == event.Running), label...)
	if state.Health.State != "" {
		for _, reason := range health.Reasons() {
			b.gauge("camera_degraded", "1 while the picture of the camera is worse than usual, by reason.",
				truth(state.Health.Reason == reason), cameraLabel, c.name, "reason", reason)
		}
	}
	b.counter("camera_reconnects_total", "Reconnections of the camera after it was lost.", source.Reconnects, label...)
	b.counter("frames_total", "Frames that the camera delivered.", source.Frames+source.Stale+source.Skipped, label...)
	const dropped, help = "frames_dropped_total", "Frames that were not analysed, by reason: a newer frame came before, " +
		"stale after a reconnection, unreadable, max_fps, no motion, or idle (no motion, and not decoded)."
	b.counter(dropped, help, source.Dropped, cameraLabel, c.name, "reason", "newer_frame")
	b.counter(dropped, help, source.Stale, cameraLabel, c.name, "reason", "stale")
	b.counter(dropped, help, source.Skipped, cameraLabel, c.name, "reason", "unreadable")
	b.counter(dropped, help, source.OverRate, cameraLabel, c.name, "reason", "max_fps")
	b.counter(dropped, help, source.Idle, cameraLabel, c.name, "reason", "idle")
	for reason, n := range c.skipped {
		b.counter(dropped, help, n, cameraLabel, c.name, "reason", string(reason))
	}
	b.add(prometheus.CounterValue, "decoding_cpu_seconds_total", "CPU time of decoding and conversion of frames.",
		source.Decoding.Seconds(), label...)
	if !c.lastFrame.IsZero() {
		b.gauge("last_frame_timestamp_seconds", "When the last frame was taken from the camera.",
			seconds(c.lastFrame), label...)
	}
	b.counter("faces_sent_total", "Faces that were selected and passed on to the outbox.", c.sent, label...)
	b.counter("visits_total", "Visits of which a face was sent, or that ended without one.", c.decisions.all, label...)
	b.counter("visits_sent_total", "Visits of which a face was sent.", c.decisions.sent, label...)
	for reason, n := range c.decisions.rejected {
		b.counter("visits_rejected_total", "Visits that ended without a sent face, by the reason of their best face.", n,
			cameraLabel, c.name, "reason", string(reason))
	}
	b.feedback(c.name, state)
	b.metrics = append(b.metrics, c.score)
	for _, stage := range c.stages {
		b.metrics = append(b.metrics, stage)
	}
}

// feedback adds what was learned from recognisers.
func (b *builder) feedback(camera string, state daemon.CameraState) {
	b.gauge("threshold", "Least score of a face that is sent.", state.Settings.Threshold, cameraLabel, camera)
	learned := state.Feedback
	if learned == nil {
		return
	}
	for _, fate := range feedback.Fates() {
		b.counter("feedback_reports_total", "Reports of recognisers about sent faces, by what became of them: accepted, or "+
			"ignored because of what.", learned.Fates[fate], cameraLabel, camera, "fate", fate)
	}
	b.gauge("feedback_reports", "Weight of the reports that the learned curve rests on; those of two weeks ago count half.",
		learned.Reports, cameraLabel, camera)
	if learned.Share != nil {
		const help = "Share of the sent faces that the recogniser matches, and the ends of its 95 % interval."
		for bound, value := range map[string]float64{
			"value": learned.Share.Value, "low": learned.Share.Low, "high": learned.Share.High,
		} {
			b.gauge("feedback_matched_share", help, value, cameraLabel, camera, "bound", bound)
		}
	}
}

// builder collects metrics. Labels are pairs of name and value.
type builder struct{ metrics []prometheus.Metric }

func (b *builder) gauge(name, help string, value float64, labels ...string) {
	b.add(prometheus.GaugeValue, name, help, value, labels...)
}

func (b *builder) counter(name, help string, value uint64, labels ...string) {
	b.add(prometheus.CounterValue, name, help, float64(value), labels...)
}

func (b *builder) add(kind prometheus.ValueType, name, help string, value float64, labels ...string) {
	b.metrics = append(b.metrics, prometheus.MustNewConstMetric(desc(name, help, labels), kind, value))
}

func desc(name, help string, labels []string) *prometheus.Desc {
	pairs := prometheus.Labels{}
	for i := 0; i+1 < len(labels); i += 2 {
		pairs[labels[i]] = labels[i+1]
	}
	return prometheus.NewDesc("facesieve_"+name, help, nil, pairs)
}

// uplink adds the metrics of broker and outbox.
func (b *builder) uplink(state *daemon.State) {
	s := state.Uplink
	b.gauge("broker_connected", "1 while there is a connection to the broker.", truth(s.Connected))
	b.gauge("outbox_events", "Events that wait for the broker.", float64(s.Queued))
	b.gauge("outbox_held_events", "Of them, those in memory only, because the disk does not take them.", float64(s.Held))
	b.gauge("outbox_bytes", "Size of the waiting events in the outbox.", float64(s.Bytes))
	b.counter("outbox_delivered_total", "Events that the broker acknowledged.", s.Delivered)
	b.losses("outbox_dropped_total", "Events that the outbox lost after it had accepted them.", s.Dropped)
	b.losses("outbox_refused_total", "Events that the outbox did not accept.", s.Refused)
	buckets := map[float64]uint64{}
	var count uint64
	for i, bound := range outbox.LatencyBounds() {
		count += s.Latencies.Counts[i]
		buckets[bound.Seconds()] = count
	}
	count += s.Latencies.Counts[len(buckets)]
	b.metrics = append(b.metrics, prometheus.MustNewConstHistogram(
		desc("publish_latency_seconds", "Time from the arrival of an event in the outbox until the broker acknowledged it; "+
			"without events that were sent late, marked as replayed.", nil), count, s.Latencies.Sum.Seconds(), buckets))
}

func (b *builder) losses(name, help string, l outbox.Losses) {
	b.counter(name, help, l.Full, "reason", "full")
	b.counter(name, help, l.Expired, "reason", "expired")
	b.counter(name, help, l.Corrupt, "reason", "corrupt")
	b.counter(name, help, l.Disk, "reason", "disk")
}

// reload adds the metrics of the configuration.
func (b *builder) reload(state *daemon.State, started time.Time) {
	at := state.Reloaded
	if at.IsZero() {
		at = started
	}
	b.gauge("config_reload_success", "1 if the last configuration is in force, 0 if it, or its overrides, were refused.",
		truth(state.ReloadRefused == ""))
	b.gauge("config_reload_timestamp_seconds", "When a configuration was last put in force or refused.", seconds(at))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// seconds returns the seconds since 1970.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
