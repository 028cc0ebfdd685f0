package daemon

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/publish/event"
	"facesieve/quality"
)

// A pipeline that failed is restarted after a delay that grows from the first of these to the second, with jitter. A
// pipeline that ran for longer than the second resets the delay.
const (
	restartMin = time.Second
	restartMax = time.Minute
)

// reasonDisabled is the reason of the state of a camera that is not enabled.
const reasonDisabled capture.Reason = "disabled"

// workerSettings are what the pipeline of a worker is made of.
type workerSettings struct {
	camera    config.Camera
	device    string
	image     config.Image
	pool      *pipeline.Pool
	uplink    pipeline.Uplink
	observers []pipeline.Observer
	scoreAll  bool
}

// equal reports whether a pipeline with the settings of other would be the same.
func (s workerSettings) equal(other workerSettings) bool {
	return s.pool == other.pool && s.device == other.device && s.image == other.image &&
		reflect.DeepEqual(s.camera, other.camera)
}

// worker runs one camera. Its goroutine runs a pipeline, and starts another when that fails. A failure does not affect
// other workers.
type worker struct {
	number   uint64 // set by the supervisor
	name     string
	disabled bool            // the camera is not read, so the worker has ended, until a reload replaces it
	source   *capture.Source // nil if it could not be opened, or is disabled
	log      zerolog.Logger
	counters *pipeline.Counters
	recent   *quality.Recent // visits that the next pipeline of this camera may continue

	mutex    sync.Mutex
	settings workerSettings
	pipeline *pipeline.Pipeline // nil while none runs
	fault    error              // why none runs

	cancel  context.CancelFunc
	flushed chan struct{} // closed when the last decision was passed on
	done    chan struct{} // closed when the source is closed too
}

// openWorker opens the source and creates the pipeline. Call start or discard.
func openWorker(settings workerSettings, log zerolog.Logger) (*worker, error) {
	w := newWorker(settings, log)
	var err error
	if w.pipeline, err = w.newPipeline(); err != nil {
		return nil, err
	}
	if w.source, err = pipeline.OpenSource(settings.camera, w.log); err != nil {
		return nil, errors.Join(err, w.pipeline.Close())
	}
	return w, nil
}

func newWorker(settings workerSettings, log zerolog.Logger) *worker {
	return &worker{
		name: settings.camera.Name, settings: settings, counters: &pipeline.Counters{}, recent: quality.NewRecent(),
		log:    log.With().Str("camera", settings.camera.Name).Logger(),
		cancel: func() {}, flushed: make(chan struct{}), done: make(chan struct{}),
	}
}

// failedWorker returns the worker of a camera that cannot be opened. It has ended.
func failedWorker(settings workerSettings, fault error, log zerolog.Logger) *worker {
	w := newWorker(settings, log)
	w.fault = fault
	close(w.flushed)
	close(w.done)
	return w
}

// disabledWorker returns the worker of a camera that is not enabled. It has ended.
func disabledWorker(settings workerSettings, log zerolog.Logger) *worker {
	w := failedWorker(settings, nil, log)
	w.disabled = true
	return w
}

func (w *worker) newPipeline() (*pipeline.Pipeline, error) {
	s := w.settings
	e, err := pipeline.NewEngine(s.pool, s.camera.Detect, s.camera.Quality)
	if err != nil {
		return nil, err
	}
	p, err := pipeline.New(s.camera, e, pipeline.Options{
		Sink: w.sink(), Observers: s.observers, ScoreAll: s.scoreAll, Counters: w.counters, Recent: w.recent,
	}, w.log)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return p, nil
}

func (w *worker) sink() pipeline.Sink {
	s := w.settings
	return pipeline.EventSink{
		Uplink: s.uplink, Log: w.log.With().Str("component", "publish").Logger(),
		Encoder: pipeline.Encoder{
			Device: s.device, Camera: w.name, Model: s.pool.ScoreModel(), Image: s.image, Now: time.Now,
		},
	}
}

// discard closes a worker that was not started.
func (w *worker) discard() error { return errors.Join(w.source.Close(), w.pipeline.Close()) }

// start runs the worker until ctx ends, cancel is called or a recording has ended, and then calls ended.
func (w *worker) start(ctx context.Context, ended func()) {
	ctx, w.cancel = context.WithCancel(ctx)
	go func() {
		defer close(w.done)
		err := w.run(ctx)
		w.mutex.Lock()
		w.fault = err
		w.mutex.Unlock()
		if err != nil {
			w.log.Error().Err(err).Msg("the camera's worker has ended")
		}
		close(w.flushed)
		ended()
		if err := w.source.Close(); err != nil {
			w.log.Warn().Err(err).Msg("cannot close the camera")
		}
	}()
}

// reconfigure continues with other settings. It takes ownership of the engine, which has these settings.
func (w *worker) reconfigure(settings workerSettings, e *pipeline.Engine) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.settings = settings
	if w.pipeline == nil { // the next pipeline uses the settings
		return e.Close()
	}
	return w.pipeline.Reconfigure(&pipeline.Settings{Camera: settings.camera, Engine: e, Sink: w.sink()})
}

// moveTo continues with these settings if they have another threshold.
func (w *worker) moveTo(settings workerSettings) error {
	w.mutex.Lock()
	same := w.settings.camera.Quality.Threshold == settings.camera.Quality.Threshold
	w.mutex.Unlock()
	if same {
		return nil
	}
	e, err := pipeline.NewEngine(settings.pool, settings.camera.Detect, settings.camera.Quality)
	if err != nil {
		return err
	}
	return w.reconfigure(settings, e)
}

// run runs one pipeline after another. It starts another only for a continuous source, and not for a recording.
func (w *worker) run(ctx context.Context) error {
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval, delays.MaxInterval, delays.Multiplier = restartMin, restartMax, 2
	for {
		began := time.Now()
		err := w.runPipeline(ctx)
		if err == nil || ctx.Err() != nil || !w.continuous() {
			return err
		}
		if time.Since(began) > restartMax {
			delays.Reset()
		}
		delay := delays.NextBackOff().Round(100 * time.Millisecond)
		w.log.Error().Err(err).Str("restart_in", delay.String()).Msg("the camera's pipeline failed")
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil
		}
	}
}

// continuous reports whether the source ends only by a fault or by Close.
func (w *worker) continuous() bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.source.Live() || w.settings.camera.Capture.Loop
}

// runPipeline runs one pipeline to its end. The faces that it holds are decided on even after a panic.
func (w *worker) runPipeline(ctx context.Context) (err error) {
	p, err := w.nextPipeline()
	if err != nil {
		return err
	}
	defer func() {
		w.mutex.Lock()
		w.pipeline, w.fault = nil, err
		w.mutex.Unlock()
		err = errors.Join(err, p.Close())
	}()
	err = recoverPanic(w.log, func() error { return p.Run(ctx, w.source) })
	if errors.Is(err, errPanic) {
		err = errors.Join(err, recoverPanic(w.log, p.Flush))
	}
	return err
}

// nextPipeline returns the pipeline that openWorker created, or a new one.
func (w *worker) nextPipeline() (*pipeline.Pipeline, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.pipeline == nil {
		p, err := w.newPipeline()
		if err != nil {
			return nil, err
		}
		w.pipeline = p
	}
	w.fault = nil
	return w.pipeline, nil
}

// ended reports whether the worker has passed its last decision.
func (w *worker) ended() bool {
	select {
	case <-w.flushed:
		return true
	default:
		return false
	}
}

// state returns a snapshot of the worker.
func (w *worker) state() CameraState {
	w.mutex.Lock()
	active, fault, settings := w.pipeline != nil && !w.ended(), w.fault, w.settings.camera
	w.mutex.Unlock()
	state := CameraState{
		Name: w.name, Worker: w.number, Active: active, Pipeline: w.counters.Stats(), Settings: event.Settings{
			Enabled: settings.Enabled, Threshold: settings.Quality.LeastScore(), Policy: settings.Quality.Policy,
		},
	}
	if w.source != nil {
		state.Source = w.source.Stats()
		state.Error = state.Source.LastError
	}
	if fault != nil {
		state.Error = fault.Error()
	}
	state.State = event.Reconnecting
	switch {
	case w.disabled:
		state.State, state.Source.Reason, state.Error = event.Stopped, reasonDisabled, "the camera is not enabled"
	case w.ended(), !active && !w.continuous():
		state.State = event.Stopped
	case !active:
	case w.source.State() == capture.Stopped:
		state.State = event.Stopped
	case w.source.State() == capture.Running:
		state.State, state.Error = event.Running, ""
	}
	return state
}
