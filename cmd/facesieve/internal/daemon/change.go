package daemon

import (
	"errors"
	"fmt"
	"reflect"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/pipeline"
)

// change is a checked configuration and the parts that it needs, which were built beside the running ones. It is
// applied as a whole or undone.
type change struct {
	cfg          config.Config
	networks     pipeline.Networks
	pool         *pipeline.Pool // the running one, or another
	workers      []*worker      // of the new configuration, in its order
	opened       []*worker      // the new ones among them
	reconfigured []reconfiguration
	uplink       bool // its configuration changes
}

// reconfiguration is a running worker that gets other settings.
type reconfiguration struct {
	worker   *worker
	settings workerSettings
	engine   *pipeline.Engine
}

// prepare reads the configuration and builds the parts that it needs. It changes nothing that runs. It returns nil if
// there is nothing to change.
func (d *Daemon) prepare() (c *change, err error) {
	cfg, err := config.Load(config.ForDaemon(), d.options.Path, config.Secret)
	if err != nil {
		return nil, err
	}
	networks, err := pipeline.OpenNetworks(cfg, cfg.Cameras...)
	if err != nil {
		return nil, err
	}
	same := networks.Equal(d.networks) && reflect.DeepEqual(cfg.Runtime, d.cfg.Runtime)
	if same && reflect.DeepEqual(cfg, d.cfg) {
		return nil, nil //nolint:nilnil // nothing to do
	}
	c = &change{
		cfg: cfg, networks: networks, pool: d.pool, uplink: uplinkConfigOf(cfg) != uplinkConfigOf(d.cfg),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.undo(d))
			c = nil
		}
	}()
	if same {
		c.networks = d.networks
		err = d.pool.Grow(len(cfg.Cameras))
	} else {
		c.pool, err = pipeline.NewPool(networks, cfg.Runtime, len(cfg.Cameras), d.log)
	}
	if err != nil {
		c.pool = d.pool
		return c, err
	}
	for _, camera := range cfg.Cameras {
		if err := c.addCamera(d, camera); err != nil {
			return c, err
		}
	}
	return c, nil
}

// addCamera finds the worker of a camera, or opens one. A recording that has ended is not reopened.
func (c *change) addCamera(d *Daemon, camera config.Camera) error {
	settings := d.settings(c.cfg, camera, c.pool)
	w := d.supervisor.named(camera.Name)
	if w == nil || !w.settings.camera.Capture.Equal(camera.Capture) {
		w, err := openWorker(settings, d.log)
		if err != nil {
			return fmt.Errorf("camera %s: %w", camera.Name, err)
		}
		c.workers, c.opened = append(c.workers, w), append(c.opened, w)
		return nil
	}
	c.workers = append(c.workers, w)
	if w.settings.equal(settings) {
		return nil
	}
	e, err := pipeline.NewEngine(settings.pool, camera.Detect, camera.Quality)
	if err != nil {
		return fmt.Errorf("camera %s: %w", camera.Name, err)
	}
	c.reconfigured = append(c.reconfigured, reconfiguration{worker: w, settings: settings, engine: e})
	return nil
}

// undo closes the parts that prepare built.
func (c *change) undo(d *Daemon) error {
	var all error
	for _, w := range c.opened {
		all = errors.Join(all, w.discard())
	}
	for _, r := range c.reconfigured {
		all = errors.Join(all, r.engine.Close())
	}
	if c.pool != d.pool {
		all = errors.Join(all, c.pool.Retire())
	}
	return all
}

// apply puts the new configuration in force. Only the uplink can fail, and it is first.
func (d *Daemon) apply(c *change) error {
	if c.uplink {
		if err := d.uplink.replace(d.supervisor.ctx, uplinkConfigOf(c.cfg)); err != nil {
			return errors.Join(err, c.undo(d))
		}
		d.reporter.reset()
	}
	d.options.LogSwitch.Set(c.cfg.Log)
	var all error
	for _, r := range c.reconfigured {
		all = errors.Join(all, r.worker.reconfigure(r.settings, r.engine))
	}
	removed := d.supervisor.replace(c.workers)
	d.uplink.setCameras(c.cfg.Cameras)
	if c.pool != d.pool {
		all = errors.Join(all, d.pool.Retire())
	}
	if !reflect.DeepEqual(c.cfg.Web, d.cfg.Web) {
		d.log.Warn().Msg("section web was changed: restart the daemon to apply it")
	}
	d.cfg, d.networks, d.pool = c.cfg, c.networks, c.pool
	if all != nil {
		d.log.Warn().Err(all).Msg("cannot free everything of the former configuration")
	}
	d.log.Info().Strs("cameras_opened", workerNames(c.opened)).Strs("cameras_removed", removed).
		Int("cameras_reconfigured", len(c.reconfigured)).Bool("publisher_replaced", c.uplink).
		Bool("reload_succeeded", true).Msg("the new configuration is in force")
	return nil
}
