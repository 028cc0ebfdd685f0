package outbox

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// change is a configuration that Reconfigure passes to the writer.
type change struct {
	cfg    Config
	result chan error
	taken  atomic.Bool
}

// take reports whether the caller is the first. The writer calls it before it changes anything, and Reconfigure before
// it gives up, so that only one of them does.
func (c *change) take() bool { return c.taken.CompareAndSwap(false, true) }

var errUnchanged = fmt.Errorf("%w: nothing was changed", errSlow)

// Reconfigure applies another configuration. If it stores events elsewhere (dir, store, key_file), the new store is
// opened beside the old one. New events go there at once, and those that wait are carried over with their age, some at
// a time. They can be sent meanwhile, and a kill loses none of them unless store is Memory. The old file is removed
// when it is empty. Reconfigure waits ten seconds at most. On an error nothing has changed.
func (q *Queue) Reconfigure(cfg Config) error {
	err := cfg.Validate()
	if err == nil {
		err = q.pass(&change{cfg: cfg, result: make(chan error, 1)})
	}
	if err != nil && !errors.Is(err, ErrClosed) {
		return fmt.Errorf("outbox: %w", err)
	}
	return err
}

// pass waits for the writer to apply a change.
func (q *Queue) pass(c *change) error {
	timer := time.NewTimer(q.timing.change)
	defer timer.Stop()
	select {
	case q.changes <- c:
	case <-q.done:
		return ErrClosed
	case <-timer.C:
		return errUnchanged
	}
	select {
	case err := <-c.result:
		return err
	case <-timer.C:
	}
	if c.take() {
		return errUnchanged
	}
	return <-c.result
}

// apply applies a change.
func (w *writer) apply(c *change) error {
	if w.cfg.Store != c.cfg.Store || c.cfg.Store == Disk && !sameDir(w.cfg.Dir, c.cfg.Dir) {
		return w.move(c)
	}
	key, err := readKey(c.cfg.KeyFile)
	if err != nil {
		return err
	}
	if !c.take() {
		return errUnchanged
	}
	d, onDisk := w.store.(*diskStore)
	if onDisk && w.cfg.KeyFile != c.cfg.KeyFile {
		if err := d.reseal(key, w.clock.now()); err != nil {
			return fmt.Errorf("seal the outbox with another key: %w", err)
		}
		w.log.Info().Bool("sealed", key != nil).Msg("the outbox was written anew with another key")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cfg = c.cfg
	if onDisk {
		d.configure(c.cfg)
	}
	w.trim()
	return nil
}

// move replaces the store by another one.
func (w *writer) move(c *change) error {
	next, found, err := w.openNext(c.cfg)
	if err != nil {
		return err
	}
	w.recordLocations(c.cfg, w.cfg)
	if !c.take() {
		if w.previousOf(next) == nil {
			err = next.close()
		}
		return errors.Join(errUnchanged, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	from := w.cfg
	w.cfg = c.cfg
	w.log.Info().Str("from", from.location()).Str("to", c.cfg.location()).Int("events", len(w.entries)).
		Int("found_there", len(found.records)).Msg("the outbox moves: what waits is carried over")
	w.attach(next, found)
	return nil
}

// openNext opens the store that a configuration names.
func (w *writer) openNext(cfg Config) (store, contents, error) {
	if cfg.Store == Memory {
		return memoryStore{}, contents{clock: w.clock.now()}, nil
	}
	key, err := readKey(cfg.KeyFile)
	if err != nil {
		return nil, contents{}, err
	}
	for _, p := range w.previous {
		// The same directory: the configuration changes back before all events were carried over.
		if p.disk.detached.Load() || !sameDir(p.disk.cfg.Dir, cfg.Dir) {
			continue
		}
		if p.disk.cfg.KeyFile != cfg.KeyFile {
			if err := p.disk.reseal(key, p.clock.now()); err != nil {
				return nil, contents{}, err
			}
		}
		p.disk.configure(cfg)
		return p.disk, contents{clock: p.clock.now(), tally: p.disk.tally}, nil
	}
	d, c, err := openDisk(cfg, key, false, w.log)
	if err == nil && d.readOnly != nil {
		_ = d.close()
		err = unwritable(cfg.Dir, d.readOnly)
	}
	if err != nil {
		return nil, c, err // not d, which would be an interface that is not nil
	}
	return d, c, nil
}

// location returns where events are stored, for the log.
func (c Config) location() string {
	if c.Store == Memory {
		return Memory
	}
	return c.Dir
}
