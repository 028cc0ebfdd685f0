// Package metrics counts what the pipelines do, and shows it, together with the state of the daemon, to Prometheus. It
// reads events and snapshots, and changes nothing. Labels name cameras, stages and reasons; no series stands for a
// person, so that the number of series depends on the configuration alone.
package metrics

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"facesieve/cmd/facesieve/internal/daemon"
)

// Build describes the program and its libraries.
type Build struct{ Version, OpenCV, TFLite string }

// Metrics are the metrics of one daemon, and an observer of its pipelines. It is safe for concurrent use.
//
// A camera has its series from the first scrape with it in the configuration to the last one. Counters do not go back
// while it stays, although a reload may replace its worker, whose counts begin at zero.
type Metrics struct {
	registry *prometheus.Registry
	started  time.Time

	mutex   sync.Mutex
	cameras map[string]*camera // by name
}

// New returns the metrics of a daemon that is about to start.
func New(b Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), started: time.Now(), cameras: map[string]*camera{}}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "facesieve_build_info", Help: "Versions of the program and its libraries; always 1.",
		ConstLabels: prometheus.Labels{"version": b.Version, "opencv": b.OpenCV, "tflite": b.TFLite},
	})
	build.Set(1)
	m.registry.MustRegister(build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Register adds metrics of another part. The error is that of a name that is in use.
func (m *Metrics) Register(c prometheus.Collector) error { return m.registry.Register(c) }

// Handler returns the handler of /metrics. State returns the present state of the daemon; it is safe for concurrent
// use. Call Handler once.
func (m *Metrics) Handler(state func() *daemon.State) http.Handler {
	m.registry.MustRegister(stateCollector{m, state})
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})
}
