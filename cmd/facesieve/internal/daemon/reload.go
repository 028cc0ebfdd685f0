package daemon

import (
	"errors"
	"strings"
	"time"

	"facesieve/cmd/facesieve/internal/config"
)

// reload is the state of reloading the configuration.
type reload struct {
	busy     bool // prepare runs
	repeat   bool // another change came while prepare ran, so prepare must run once more
	prepared chan prepared
	refused  string    // the last configuration, if it was refused, for the status line
	faults   []string  // all faults of it
	ended    time.Time // when the last reload ended
}

// prepared is the result of prepare.
type prepared struct {
	cfg    config.InForce
	change *change
	err    error
}

// startReload starts to prepare the configuration. If a preparation is running, another one follows it.
func (d *Daemon) startReload(why string) {
	if d.reload.busy {
		d.reload.repeat = true
		return
	}
	d.log.Info().Str("why", why).Str("file", d.options.Path).Str("overrides", d.cfg.OverridesPath).Msg("reloading the configuration")
	d.systemd.reloading()
	d.reload.busy, d.reload.prepared = true, make(chan prepared, 1)
	go func(done chan<- prepared) {
		var p prepared
		p.err = recoverPanic(d.log, func() (err error) {
			p.cfg, p.change, err = d.prepare()
			return err
		})
		done <- p
	}(d.reload.prepared)
}

// finishReload applies a prepared configuration, or logs why it is refused.
func (d *Daemon) finishReload(p prepared) {
	err := p.err
	if err == nil && p.change != nil {
		err = d.apply(p.change)
	}
	if errors.Is(err, errRollbackFailed) {
		d.failure = err
	}
	now := time.Now()
	d.reload.refused, d.reload.faults, d.reload.ended = "", nil, now
	if err == nil {
		d.cfg = p.cfg // also if only origins changed
		d.logOverrides()
	}
	switch {
	case err != nil:
		d.reload.refused = refusal(now, err)
		d.reload.faults = strings.Split(err.Error(), "\n")
		d.log.Error().Strs("faults", d.reload.faults).Bool("reload_succeeded", false).
			Msg("the new configuration is refused; the former one stays in force")
	case p.change == nil:
		d.log.Info().Bool("reload_succeeded", true).Msg("the configuration is the same as before")
	}
	d.reload.busy = false
	d.report(now)
	d.systemd.ready()
	if d.reload.repeat {
		d.reload.repeat = false
		d.startReload("the file was changed during a reload")
	}
}

// logRefused logs at the start that the overrides have a fault. The daemon starts without them, because a camera that
// nobody can reach must run.
func (d *Daemon) logRefused() {
	err := d.cfg.OverridesFault
	if err == nil {
		return
	}
	now := time.Now()
	d.reload.refused = "overrides" + refusalOf(now, err) + "; the configuration file applies without them"
	d.log.Error().Strs("faults", strings.Split(err.Error(), "\n")).Str("file", d.cfg.OverridesPath).
		Msg("the overrides are refused, and the configuration file applies without them; fix the file or remove it")
}

// logOverrides logs which cameras have overrides, because these replace what an installer may change in the file, and
// the overrides of cameras that the configuration does not have.
func (d *Daemon) logOverrides() {
	if names := d.cfg.Overridden(); len(names) > 0 {
		d.log.Info().Strs("cameras", names).Str("file", d.cfg.OverridesPath).
			Msg("overrides replace settings of the configuration file")
	}
	if len(d.cfg.Ignored.List) > 0 {
		d.log.Warn().Strs("overrides", strings.Split(d.cfg.Ignored.Error(), "\n")).
			Msg("overrides of absent cameras are ignored")
	}
}

// abandonReload undoes a change that is being prepared when the program ends, if the preparation ends in time.
// A preparation that does not end in time ends with the process.
func (d *Daemon) abandonReload() error {
	if !d.reload.busy {
		return nil
	}
	select {
	case p := <-d.reload.prepared:
		if p.change == nil {
			return nil
		}
		return p.change.undo(d)
	case <-time.After(closeTime):
		d.log.Warn().Msg("the program ends while a configuration is being prepared; it is read at the next start")
		return nil
	}
}
