package main

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"facesieve/capture"
)

// The pauses before a pipeline that failed is begun anew: from the first, twice as long each time, up to the second. One
// that ran for as long as the second has begun well.
const (
	restartMin = time.Second
	restartMax = time.Minute
)

// settings are what the pipeline of a station is made of.
type settings struct {
	camera Camera
	device string
	image  ImageConfig
	shared *interpreters
}

// same says whether a pipeline made of other would be the same.
func (s settings) same(other settings) bool {
	same := s.shared == other.shared
	s.shared, other.shared = nil, nil
	return same && reflect.DeepEqual(s, other)
}

// station is one camera at work. Its goroutine runs the pipeline, and begins it anew when it fails; nothing that happens
// here reaches another station.
type station struct {
	name    string
	source  *capture.Source // nil if it could not be opened
	outlet  outlet
	gallery *gallery
	log     zerolog.Logger
	counts  *pipelineCounts
	told    told

	mutex    sync.Mutex
	settings settings
	pipeline *pipeline // nil while none runs
	fault    error     // why none runs

	cancel  context.CancelFunc
	flushed chan struct{} // closed when the last decision was handed over
	done    chan struct{} // closed when the source is closed too
}

// openStation opens the source and makes the pipeline. Call start, or discard.
func openStation(set settings, out outlet, seen *gallery, log zerolog.Logger) (*station, error) {
	s := newStation(set, out, seen, log)
	var err error
	if s.pipeline, err = s.build(set); err != nil {
		return nil, err
	}
	if s.source, err = capture.Open(set.camera.Capture, s.log); err != nil {
		return nil, errors.Join(err, s.pipeline.Close())
	}
	return s, nil
}

func newStation(set settings, out outlet, seen *gallery, log zerolog.Logger) *station {
	return &station{
		name: set.camera.Name, outlet: out, gallery: seen, settings: set, counts: &pipelineCounts{},
		log:    log.With().Str("camera", set.camera.Name).Logger(),
		cancel: func() {}, flushed: make(chan struct{}), done: make(chan struct{}),
	}
}

// brokenStation stands for a camera that cannot be opened.
func brokenStation(set settings, fault error, log zerolog.Logger) *station {
	s := newStation(set, nil, nil, log)
	s.fault = fault
	close(s.flushed)
	close(s.done)
	return s
}

func (s *station) build(set settings) (*pipeline, error) {
	e, err := newEngine(set.shared, set.camera.Detect, set.camera.Quality)
	if err != nil {
		return nil, err
	}
	p, err := newPipeline(set.camera, e, s.sink(set), s.gallery, s.log)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	p.counts = s.counts
	return p, nil
}

func (s *station) sink(set settings) sink {
	return mqttSink{
		outlet: s.outlet, log: s.log.With().Str("component", "publish").Logger(),
		encoder: encoder{device: set.device, camera: s.name, model: set.shared.nets.scoreModel(), image: set.image},
	}
}

// discard undoes openStation.
func (s *station) discard() error { return errors.Join(s.source.Close(), s.pipeline.Close()) }

// start lets the station work until ctx ends, stop is called or a recording is over; then it calls ended.
func (s *station) start(ctx context.Context, ended func()) {
	ctx, s.cancel = context.WithCancel(ctx)
	go func() {
		defer close(s.done)
		err := s.work(ctx)
		s.mutex.Lock()
		s.fault = err
		s.mutex.Unlock()
		if err != nil {
			s.log.Error().Err(err).Msg("the camera's work has ended")
		}
		close(s.flushed)
		ended()
		if err := s.source.Close(); err != nil {
			s.log.Warn().Err(err).Msg("cannot close the camera")
		}
	}()
}

// tune lets the station go on with other settings. The engine is of these settings, and the station's from here on.
func (s *station) tune(set settings, e *engine) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.settings = set
	if s.pipeline == nil { // the next is made of the settings
		return e.Close()
	}
	return s.pipeline.tune(&tuning{camera: set.camera, engine: e, sink: s.sink(set)})
}

// work runs pipelines one after the other: a source without an end deserves another when one fails, a recording is not
// begun again.
func (s *station) work(ctx context.Context) error {
	for pause := restartMin; ; pause = min(2*pause, restartMax) {
		began := time.Now()
		err := s.attempt(ctx)
		if err == nil || ctx.Err() != nil || !s.endless() {
			return err
		}
		if time.Since(began) > restartMax {
			pause = restartMin
		}
		s.log.Error().Err(err).Str("restart_in", pause.String()).Msg("the camera's pipeline failed")
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// endless says whether the source ends only by a fault or by order.
func (s *station) endless() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.source.Live() || s.settings.camera.Capture.Loop
}

// attempt runs one pipeline to its end. What the faces that it held deserve is decided even after a panic.
func (s *station) attempt(ctx context.Context) (err error) {
	p, err := s.begin()
	if err != nil {
		return err
	}
	defer func() {
		s.mutex.Lock()
		s.pipeline, s.fault = nil, err
		s.mutex.Unlock()
		err = errors.Join(err, p.Close())
	}()
	err = guarded(s.log, func() error { return p.run(ctx, s.source) })
	if errors.Is(err, errPanic) {
		err = errors.Join(err, guarded(s.log, p.flush))
	}
	return err
}

// begin returns the pipeline that was opened with the station, or a new one.
func (s *station) begin() (*pipeline, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.pipeline == nil {
		p, err := s.build(s.settings)
		if err != nil {
			return nil, err
		}
		s.pipeline = p
	}
	s.fault = nil
	return s.pipeline, nil
}
