package main

import (
	"errors"
	"strings"
	"time"
)

// reloading is what becomes of a changed configuration.
type reloading struct {
	busy     bool // prepare runs
	again    bool // and has to run again, for another change came
	prepared chan prepared
	refused  string // why the last configuration was refused, for the status line; empty: it was taken
}

// prepared is what prepare returns.
type prepared struct {
	change *change
	err    error
}

// reloadSoon begins to prepare the configuration, or notes that it is to be done again.
func (d *daemon) reloadSoon(why string) {
	if d.reload.busy {
		d.reload.again = true
		return
	}
	d.log.Info().Str("why", why).Str("file", d.path).Msg("reading the configuration again")
	d.systemd.reloading()
	d.reload.busy, d.reload.prepared = true, make(chan prepared, 1)
	go func(done chan<- prepared) {
		var p prepared
		p.err = guarded(d.log, func() (err error) {
			p.change, err = d.prepare()
			return err
		})
		done <- p
	}(d.reload.prepared)
}

// reloadEnds adopts what was prepared, or says why not.
func (d *daemon) reloadEnds(p prepared) {
	err := p.err
	if err == nil && p.change != nil {
		err = d.adopt(p.change)
	}
	if errors.Is(err, errNoWayBack) {
		d.lost = err
	}
	d.reload.refused = ""
	switch {
	case err != nil:
		d.reload.refused = refusal(time.Now(), err)
		d.log.Error().Strs("faults", strings.Split(err.Error(), "\n")).Bool("reload_succeeded", false).
			Msg("the new configuration is refused; the old one goes on")
	case p.change == nil:
		d.log.Info().Bool("reload_succeeded", true).Msg("the configuration is the same as before")
	}
	d.reload.busy = false
	d.look(time.Now())
	d.systemd.ready()
	if d.reload.again {
		d.reload.again = false
		d.reloadSoon("changed meanwhile")
	}
}

// reloadAbandoned undoes a change that is being prepared when the program ends, if the preparation ends in time.
// Otherwise the process ends without it.
func (d *daemon) reloadAbandoned() error {
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
