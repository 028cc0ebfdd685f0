// Package daemon runs the cameras of a configuration: a supervisor with one worker per camera, the uplink to the
// broker, reloads, systemd's watchdog, and a snapshot of the state for everything that reports it.
package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/logging"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/publish/event"
)

// The daemon stops in three steps: the pipelines make their last decisions, waiting events are sent, and the sources
// are closed. These are the time limits of the steps; their sum is below TimeoutStopSec of the unit. The pipelines
// usually need some tenths of a second, and the program ends within 2 s of a signal. The limit is longer, because a
// decision that a loaded board makes later would be lost.
const (
	decideTime = 5000 * time.Millisecond
	flushTime  = 1000 * time.Millisecond
	closeTime  = 300 * time.Millisecond
)

// Options are the parts of a daemon besides its configuration.
type Options struct {
	Path string // the configuration file, which each reload reads, and after it the overrides
	Log  zerolog.Logger
	// LogSwitch changes level and format of Log at a reload.
	LogSwitch *logging.Switch
	// Overrides changes the overrides for commands over MQTT; nil: there is no state directory. The page has the same one.
	Overrides *config.OverridesFile
	Observers []pipeline.Observer // of all cameras
	Health    Health              // of their pictures; nil: it is not reported
	ScoreAll  bool                // as in pipeline.Options
	Version   string              // of the program
}

// Health reports the state of health of the cameras' pictures. It is safe for concurrent use.
type Health interface {
	// Configure sets the cameras that are checked.
	Configure(cameras []config.Camera)
	// Health returns the state of a camera, or a zero one if it is not checked.
	Health(camera string) event.Health
}

// Daemon is a running configuration: its networks, cameras and uplink. Only the goroutine of Run changes its fields;
// prepare reads them beside it at times when nothing changes.
type Daemon struct {
	options    Options
	log        zerolog.Logger
	cfg        config.InForce
	networks   pipeline.Networks
	pool       *pipeline.Pool
	uplink     *uplink
	supervisor *supervisor
	control    *control // nil: there is no state directory
	activity   *activity
	reports    reports

	state          atomic.Pointer[State]
	reporter       stateReporter
	systemd        *notifier
	heartbeat      *heartbeat
	sent           lastHour
	delivered      uint64
	deviceReported time.Time
	reload         reload
	failure        error // why the program cannot continue
}

// Start starts, in this order, the networks, the uplink and the cameras. It stops what it started if a later step
// fails. A camera that cannot be opened, and overrides with a fault, are logged, and are not such a failure. Call Run
// after Start.
func Start(ctx context.Context, cfg config.InForce, o Options) (*Daemon, error) {
	d := &Daemon{options: o, cfg: cfg, log: o.Log, systemd: &notifier{log: o.Log}, activity: newActivity()}
	d.heartbeat = newHeartbeat(d.systemd.watchdogLimit(), d.log)
	d.logRefused()
	d.logOverrides()
	var err error
	if d.networks, err = pipeline.OpenNetworks(cfg.Config, cfg.Cameras...); err != nil {
		return nil, err
	}
	if d.pool, err = pipeline.NewPool(d.networks, cfg.Runtime, len(cfg.Cameras), d.log); err != nil {
		return nil, err
	}
	d.reports.configure(cfg, d.networks.Quality(), d.log)
	if err := d.startUplink(ctx); err != nil {
		return nil, errors.Join(err, d.pool.Retire())
	}
	d.supervisor = newSupervisor(context.WithoutCancel(ctx))
	var workers []*worker
	for _, camera := range cfg.Cameras {
		settings := d.settings(cfg.Config, camera, d.pool)
		if !camera.Enabled {
			workers = append(workers, disabledWorker(settings, d.log))
			continue
		}
		w, err := openWorker(settings, d.log)
		if err != nil {
			d.log.Error().Err(err).Str("camera", camera.Name).Msg("the camera cannot be opened")
			w = failedWorker(settings, err, d.log)
		}
		workers = append(workers, w)
	}
	d.supervisor.replace(workers)
	d.report(time.Now())
	return d, nil
}

// startUplink starts the uplink and, where there is a state directory, the control by commands.
func (d *Daemon) startUplink(ctx context.Context) (err error) {
	commands := func(event.Command) {}
	if d.options.Overrides != nil {
		d.control = newControl(d.options.Overrides, d.log)
		commands = d.control.accept
	}
	d.uplink, err = openUplink(ctx, uplinkConfigOf(d.cfg.Config), inbound{commands, d.reports.accept}, d.options.Version, d.log)
	if err != nil {
		return err
	}
	d.setCameras(d.cfg.Cameras)
	if d.control != nil {
		d.control.start(d.uplink.SetResult)
	}
	return nil
}

// setCameras sets the cameras of the configuration in those parts that need their names or settings.
func (d *Daemon) setCameras(cameras []config.Camera) {
	names := make([]string, 0, len(cameras))
	for _, camera := range cameras {
		names = append(names, camera.Name)
	}
	if d.control != nil {
		d.control.setCameras(names)
	}
	d.uplink.setCameras(names)
	if d.options.Health != nil {
		d.options.Health.Configure(cameras)
	}
}

// settings returns what the worker of a camera needs.
func (d *Daemon) settings(cfg config.Config, camera config.Camera, pool *pipeline.Pool) workerSettings {
	return workerSettings{
		camera: d.reports.inForce(camera), device: cfg.Device, image: cfg.Image, pool: pool,
		uplink:    observedUplink{d.uplink, d.activity, &d.reports},
		observers: append(slices.Clone(d.options.Observers), d.activity), scoreAll: d.options.ScoreAll,
	}
}

// State returns the state at the last report, which is at most about a second old. It is safe for concurrent use.
func (d *Daemon) State() *State { return d.state.Load() }

// Run serves the cameras until ctx ends, or all cameras are recordings and have ended. It reloads the configuration
// after each signal of hangup, and when the file or the overrides change. Then it stops everything.
func (d *Daemon) Run(ctx context.Context, hangup <-chan os.Signal) error {
	watcher, err := config.Watch(d.log, d.watched()...)
	if err != nil { // for example, the machine has no watches left
		d.log.Warn().Err(err).Msg("changes of the configuration file are not detected; use systemctl reload")
		return d.run(ctx, hangup, nil)
	}
	return errors.Join(d.run(ctx, hangup, watcher.Changed), watcher.Close())
}

// watched returns the files whose changes cause a reload. It creates the directory of the overrides, because a missing
// directory cannot be watched.
func (d *Daemon) watched() []string {
	files := []string{d.options.Path}
	if d.cfg.OverridesPath == "" {
		return files
	}
	if err := os.MkdirAll(filepath.Dir(d.cfg.OverridesPath), 0o700); err != nil {
		d.log.Warn().Err(err).Msg("changes of the overrides are not detected; use systemctl reload")
		return files
	}
	return append(files, d.cfg.OverridesPath)
}

func (d *Daemon) run(ctx context.Context, hangup <-chan os.Signal, changed <-chan struct{}) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	d.systemd.ready()
	d.report(time.Now())
	for ctx.Err() == nil && d.failure == nil && (d.reload.busy || !d.supervisor.allEnded()) {
		select {
		case <-ctx.Done():
		case <-d.supervisor.ended:
		case now := <-ticker.C:
			d.moveThresholds(now)
			d.report(now)
		case <-hangup:
			d.startReload("SIGHUP")
		case <-changed:
			d.startReload("a file was changed")
		case r := <-d.reload.prepared:
			d.finishReload(r)
		}
	}
	return d.stop(ctx)
}

// report takes a snapshot of the state, and reports it to systemd and, where it changed, to the broker.
func (d *Daemon) report(now time.Time) {
	state := d.snapshot(now)
	d.state.Store(state)
	for camera, changed := range d.reporter.changes(state) {
		if err := d.uplink.SetState(camera, changed); err != nil {
			d.log.Error().Err(err).Str("camera", camera).Msg("cannot report the camera's state")
		}
	}
	d.reportDevice(state)
	d.systemd.status(statusLine(state))
	if d.heartbeat.due(state) {
		d.systemd.resetWatchdog()
	}
}

// stop stops everything in the reverse order of Start. The uplink accepts events until every pipeline has passed its
// last decision. A camera that does not stop in time ends with the process.
func (d *Daemon) stop(ctx context.Context) error {
	d.systemd.stopping()
	if late := d.supervisor.stop(decideTime); late != nil {
		d.log.Error().Err(late).Str("waited", decideTime.String()).
			Msg("cameras did not stop in time; the faces that they hold are lost")
	}
	d.report(time.Now())
	d.reports.close()
	if d.control != nil {
		d.control.stop()
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	err := errors.Join(d.failure, d.supervisor.faults(), d.uplink.close(last))
	if left := d.supervisor.close(closeTime); left != nil {
		d.log.Warn().Err(left).Msg("cameras did not close in time; they end with the program")
	}
	d.state.Store(d.snapshot(time.Now()))
	return errors.Join(err, d.pool.Retire(), d.abandonReload())
}
