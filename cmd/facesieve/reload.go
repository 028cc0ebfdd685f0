package main

import (
	"errors"
	"fmt"
	"reflect"
)

// change is a configuration that was checked, and what it needs built beside what runs. It is adopted as a whole, or
// undone.
type change struct {
	cfg      Config
	nets     networks
	shared   *interpreters // those at work, or others
	stations []*station    // of the new configuration, in its order
	opened   []*station    // the ones among them that are new
	tuned    []retuning
	post     bool // the publisher is another
}

// retuning is a station at work that gets other settings.
type retuning struct {
	station  *station
	settings settings
	engine   *engine
}

// prepare reads the configuration again and builds what it needs. It changes nothing that runs, and returns nil if there
// is nothing to change.
func (d *daemon) prepare() (c *change, err error) {
	cfg, err := LoadConfig(d.path, secrets)
	if err != nil {
		return nil, err
	}
	nets, err := openModels(cfg)
	if err != nil {
		return nil, err
	}
	same := nets.same(d.nets) && reflect.DeepEqual(cfg.Runtime, d.cfg.Runtime)
	if same && reflect.DeepEqual(cfg, d.cfg) {
		return nil, nil //nolint:nilnil // nothing to do
	}
	c = &change{cfg: cfg, nets: nets, shared: d.shared, post: postOf(cfg) != postOf(d.cfg)}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.undo(d))
			c = nil
		}
	}()
	if same {
		c.nets = d.nets
		err = d.shared.provide(len(cfg.Cameras))
	} else {
		c.shared, err = newInterpreters(nets, cfg.Runtime, len(cfg.Cameras), d.log)
	}
	if err != nil {
		c.shared = d.shared
		return c, err
	}
	for _, camera := range cfg.Cameras {
		if err := c.place(d, camera); err != nil {
			return c, err
		}
	}
	return c, nil
}

// place finds the station of a camera, or opens one. A recording that is over is not shown again.
func (c *change) place(d *daemon, camera Camera) error {
	set := settings{camera: camera, device: c.cfg.Device, image: c.cfg.Image, shared: c.shared}
	s := d.fleet.named(camera.Name)
	if s == nil || !s.settings.camera.Capture.Equal(camera.Capture) {
		s, err := openStation(set, d.post, d.gallery, d.log)
		if err != nil {
			return fmt.Errorf("camera %s: %w", camera.Name, err)
		}
		c.stations, c.opened = append(c.stations, s), append(c.opened, s)
		return nil
	}
	c.stations = append(c.stations, s)
	if s.settings.same(set) {
		return nil
	}
	e, err := newEngine(set.shared, camera.Detect, camera.Quality)
	if err != nil {
		return fmt.Errorf("camera %s: %w", camera.Name, err)
	}
	c.tuned = append(c.tuned, retuning{station: s, settings: set, engine: e})
	return nil
}

// undo ends what prepare has built.
func (c *change) undo(d *daemon) error {
	var all error
	for _, s := range c.opened {
		all = errors.Join(all, s.discard())
	}
	for _, t := range c.tuned {
		all = errors.Join(all, t.engine.Close())
	}
	if c.shared != d.shared {
		all = errors.Join(all, c.shared.retire())
	}
	return all
}

// adopt goes over to the new configuration. Only the publisher can fail in this, and it is first.
func (d *daemon) adopt(c *change) error {
	if c.post {
		if err := d.post.replace(d.fleet.ctx, postOf(c.cfg)); err != nil {
			return errors.Join(err, c.undo(d))
		}
		for _, s := range d.fleet.stations {
			s.told = told{} // the new publisher knows nothing
		}
	}
	d.logs.set(c.cfg.Log)
	var all error
	for _, t := range c.tuned {
		all = errors.Join(all, t.station.tune(t.settings, t.engine))
	}
	gone := d.fleet.put(c.stations)
	d.post.configured(c.cfg.Cameras)
	if c.shared != d.shared {
		all = errors.Join(all, d.shared.retire())
	}
	d.cfg, d.nets, d.shared = c.cfg, c.nets, c.shared
	if all != nil {
		d.log.Warn().Err(all).Msg("cannot free everything of the configuration before")
	}
	d.log.Info().Strs("cameras_opened", stationNames(c.opened)).Strs("cameras_removed", gone).Int("cameras_tuned", len(c.tuned)).
		Bool("publisher_replaced", c.post).Bool("reload_succeeded", true).Msg("the new configuration is in force")
	return nil
}
