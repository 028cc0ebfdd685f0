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
	cfg          config.InForce
	networks     pipeline.Networks
	pool         *pipeline.Pool // the running one, or another
	workers      []*worker      // of the new configuration, in its order
	opened       []*worker      // the new ones among them
	disabled     []*worker      // those of the new ones whose camera is disabled
	reconfigured []reconfiguration
	uplink       bool // its configuration changes
}

// reconfiguration is a running worker that gets other settings.
type reconfiguration struct {
	worker   *worker
	settings workerSettings
	engine   *pipeline.Engine
}

// prepare reads the configuration and builds the parts that it needs. It changes nothing that runs. The change is nil
// if there is nothing to change. Unlike at the start, overrides with a fault are refused.
func (d *Daemon) prepare() (cfg config.InForce, c *change, err error) {
	cfg, err = config.LoadInForce(config.ForDaemon(), d.options.Path, config.Secret)
	if err == nil {
		err = cfg.OverridesFault
	}
	if err != nil {
		return cfg, nil, err
	}
	c, err = d.build(cfg)
	return cfg, c, err
}

// build builds the parts that a configuration needs. It returns nil if there is nothing to change.
func (d *Daemon) build(cfg config.InForce) (c *change, err error) {
	networks, err := pipeline.OpenNetworks(cfg.Config, cfg.Cameras...)
	if err != nil {
		return nil, err
	}
	same := networks.Equal(d.networks) && reflect.DeepEqual(cfg.Runtime, d.cfg.Runtime)
	if same && reflect.DeepEqual(cfg.Config, d.cfg.Config) {
		return nil, nil //nolint:nilnil // nothing to do
	}
	c = &change{
		cfg: cfg, networks: networks, pool: d.pool, uplink: uplinkConfigOf(cfg.Config) != uplinkConfigOf(d.cfg.Config),
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
	settings := d.settings(c.cfg.Config, camera, c.pool)
	w := d.supervisor.named(camera.Name)
	switch {
	case !camera.Enabled && (w == nil || !w.disabled):
		w = disabledWorker(settings, d.log)
		c.workers, c.disabled = append(c.workers, w), append(c.disabled, w)
		return nil
	case camera.Enabled && (w == nil || w.disabled || !w.settings.camera.Capture.Equal(camera.Capture)):
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
		if err := d.uplink.replace(d.supervisor.ctx, uplinkConfigOf(c.cfg.Config)); err != nil {
			return errors.Join(err, c.undo(d))
		}
		d.reporter.reset()
	}
	d.options.LogSwitch.Set(c.cfg.Log)
	var all error
	for _, r := range c.reconfigured {
		all = errors.Join(all, r.worker.reconfigure(r.settings, r.engine))
	}
	d.reports.configure(c.cfg, c.networks.Quality(), d.log)
	removed := d.supervisor.replace(c.workers)
	d.setCameras(c.cfg.Cameras)
	if c.pool != d.pool {
		all = errors.Join(all, d.pool.Retire())
	}
	if !reflect.DeepEqual(c.cfg.Web, d.cfg.Web) {
		d.log.Warn().Msg("section web was changed: restart the daemon to apply it")
	}
	d.networks, d.pool = c.networks, c.pool
	if all != nil {
		d.log.Warn().Err(all).Msg("cannot free everything of the former configuration")
	}
	d.log.Info().Strs("cameras_opened", workerNames(c.opened)).Strs("cameras_removed", removed).
		Strs("cameras_disabled", workerNames(c.disabled)).
		Int("cameras_reconfigured", len(c.reconfigured)).Bool("publisher_replaced", c.uplink).
		Bool("reload_succeeded", true).Msg("the new configuration is in force")
	return nil
}
