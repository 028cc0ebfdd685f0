package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/rs/zerolog"
)

// The daemon stops in three steps: the pipelines make their last decisions, waiting events are sent, and the sources
// are closed. These are the time limits of the steps; their sum is below TimeoutStopSec of the unit. The pipelines
// usually need some tenths of a second, and the program ends within 2 s of a signal. On a loaded board they may take
// longer, so that no decision is lost.
const (
	decideTime = 5000 * time.Millisecond
	flushTime  = 1000 * time.Millisecond
	closeTime  = 300 * time.Millisecond
)

// daemon is everything that runs: networks, cameras and the way to the broker. Its fields are for the goroutine of run;
// only prepare reads them beside it, and none is written then.
type daemon struct {
	path    string
	cfg     Config
	nets    networks
	shared  *interpreters
	post    *post
	fleet   *fleet
	gallery *gallery
	log     zerolog.Logger
	logs    *logSwitch

	systemd   *notifier
	heart     *heartbeat
	sent      lastHour
	delivered uint64
	reload    reloading
	lost      error // why the program cannot go on
}

// startDaemon starts, in this order, the networks, the broker if it is the embedded one, the publisher and the cameras.
// What was started is undone when a later step fails; a camera that fails is not a step.
func startDaemon(ctx context.Context, d *daemon) (err error) {
	d.systemd = &notifier{log: d.log}
	d.heart = newHeartbeat(d.systemd.patience(), d.log)
	if d.nets, err = openModels(d.cfg); err != nil {
		return err
	}
	if d.shared, err = newInterpreters(d.nets, d.cfg.Runtime, len(d.cfg.Cameras), d.log); err != nil {
		return err
	}
	if d.post, err = openPost(ctx, postOf(d.cfg), d.log); err != nil {
		return errors.Join(err, d.shared.retire())
	}
	d.post.configured(d.cfg.Cameras)
	d.fleet = newFleet(context.WithoutCancel(ctx))
	var stations []*station
	for _, camera := range d.cfg.Cameras {
		set := settings{camera: camera, device: d.cfg.Device, image: d.cfg.Image, shared: d.shared}
		s, err := openStation(set, d.post, d.gallery, d.log)
		if err != nil {
			d.log.Error().Err(err).Str("camera", camera.Name).Msg("the camera cannot be opened")
			s = brokenStation(set, err, d.log)
		}
		stations = append(stations, s)
	}
	d.fleet.put(stations)
	return nil
}

// run attends to everything until ctx ends, or all cameras are recordings and have ended.
func (d *daemon) run(ctx context.Context, hangup <-chan os.Signal, changed <-chan struct{}) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	d.systemd.ready()
	d.look(time.Now())
	for ctx.Err() == nil && d.lost == nil && (d.reload.busy || !d.fleet.over()) {
		select {
		case <-ctx.Done():
		case <-d.fleet.ended:
		case now := <-ticker.C:
			d.look(now)
		case <-hangup:
			d.reloadSoon("SIGHUP")
		case <-changed:
			d.reloadSoon("the file was changed")
		case r := <-d.reload.prepared:
			d.reloadEnds(r)
		}
	}
	return d.stop(ctx)
}

// look tells everybody how things are.
func (d *daemon) look(now time.Time) {
	d.post.tell(now, d.fleet.stations)
	stats := d.post.stats()
	faces := d.sent.add(now, stats.Delivered-d.delivered)
	d.delivered = stats.Delivered
	d.systemd.status(statusLine(d.fleet.stations, stats, faces, d.reload.refused))
	if d.heart.due(now, d.fleet.stations, d.post.stuck()) {
		d.systemd.alive()
	}
}

// stop ends everything in reverse order of the start. The uplink accepts events until every pipeline has handed over
// its last one. A camera that does not end in time ends with the process.
func (d *daemon) stop(ctx context.Context) error {
	d.systemd.stopping()
	if late := d.fleet.stop(decideTime); late != nil {
		d.log.Error().Err(late).Str("waited", decideTime.String()).
			Msg("cameras did not stop in time; the faces that they hold are lost")
	}
	d.look(time.Now())
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	err := errors.Join(d.lost, d.fleet.faults(), d.post.close(last))
	if left := d.fleet.close(closeTime); left != nil {
		d.log.Warn().Err(left).Msg("the program ends all the same")
	}
	return errors.Join(err, d.shared.retire(), d.reloadAbandoned())
}
