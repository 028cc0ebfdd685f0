package outbox

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// attempt is the state of the attempts to open the file.
type attempt struct {
	at     time.Time     // of the next
	pause  time.Duration // before it
	reason string        // that was logged last
}

// openStores opens the store of the configuration, and the files that hold events of earlier runs. If the file cannot be
// opened, events are held in memory until checkStore can open it; only a permanent error is returned.
func (w *writer) openStores() error {
	if w.cfg.Store == Disk {
		w.store = &noStore{}
		d, c, err := w.openConfigured(nil)
		switch {
		case err == nil:
			w.attach(d, c)
		case isPermanent(err):
			return err
		default:
			w.diskFailing = true
			w.openLater(err)
		}
	}
	w.openPrevious()
	return nil
}

// openConfigured opens the file of the configuration.
func (w *writer) openConfigured(held []*os.File) (*diskStore, contents, error) {
	key, err := readKey(w.cfg.KeyFile)
	if err != nil {
		return nil, contents{}, err
	}
	return openDisk(w.cfg, key, held, w.log)
}

// openLater plans the next attempt to open the file, and logs why it cannot be opened if the reason has changed.
func (w *writer) openLater(err error) {
	a := &w.attempt
	a.pause = min(max(2*a.pause, w.timing.tidy), w.timing.open)
	a.at = time.Now().Add(a.pause)
	if text := err.Error(); text != a.reason {
		a.reason = text
		w.log.Error().Err(err).Str("dir", w.cfg.Dir).Str("held_at_most", fmt.Sprintf("%d MiB", heldBytes>>20)).
			Msg("the outbox cannot be opened: events are held in memory and written later; it is tried again")
	}
}

// checkStore opens the file if it could not be opened before, or if another file has its name.
func (w *writer) checkStore() {
	if time.Now().Before(w.attempt.at) {
		return
	}
	switch present := w.store.(type) {
	case *noStore:
		d, c, err := w.openConfigured(nil)
		if err != nil {
			w.openLater(err)
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.log.Info().Str("dir", w.cfg.Dir).Int("held", len(w.unsaved)).
			Msg("the outbox could be opened: it stores what was held in memory")
		w.attach(d, c)
	case *diskStore:
		if present.displaced() {
			w.replaceDisplaced(present)
		}
	}
}

// replaceDisplaced opens the file that has the name of the outbox now, or a new one. The entries of the old file, which
// can still be read, move there, except those that are there already because the disk was mounted again.
func (w *writer) replaceDisplaced(old *diskStore) {
	held := []*os.File{old.lock}
	for _, p := range w.previous {
		held = append(held, p.disk.lock)
	}
	d, c, err := w.openConfigured(held)
	if err != nil {
		w.openLater(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log.Error().Str("file", d.path).Int("events", len(w.entries)).
		Msg("the file of the outbox was removed or replaced while it was used: what waits is written to a new one")
	old.detached.Store(true)
	known := map[uint64]*entry{}
	for _, e := range w.entries {
		if e.store == store(old) {
			known[e.storeKey] = e
		}
	}
	c.records = slices.DeleteFunc(c.records, func(r record) bool {
		e := known[r.key]
		if e == nil || !e.matches(r) {
			return false
		}
		e.store = d
		return true
	})
	w.attach(d, c)
}

// attach makes a store the present one, and adds what it holds. The entries of the store before move there.
func (w *writer) attach(next store, c contents) {
	before := w.store
	if old, onDisk := before.(*diskStore); onDisk {
		w.previous = append(w.previous, &previous{disk: old, clock: w.clock})
	} else {
		delete(w.removals, before)
	}
	w.previous = slices.DeleteFunc(w.previous, func(p *previous) bool { return store(p.disk) == next })
	w.store, w.lastStoreKey = next, c.tally.last
	w.attempt, w.salvageFailed, w.fileCorrupt, w.diskFailing = attempt{}, false, false, false
	w.setClock(c.clock)
	w.usage, w.moving = 0, nil
	for _, e := range w.entries {
		e.usage = next.diskUsage(e.size)
		w.usage += e.usage
		if e.store != nil && e.store != next {
			w.moving = append(w.moving, e)
		}
	}
	slices.SortFunc(w.moving, byKey)
	if d, onDisk := next.(*diskStore); onDisk && d.readOnly != nil {
		w.diskFailing = true
		w.log.Error().Err(d.readOnly).Int("events", len(c.records)).
			Msg("the outbox can only be read: what it holds is sent, and new events are held in memory; " +
				"mount the disk for writing")
	}
	if c.number() > 0 {
		w.log.Info().Int("events", len(c.records)).Int("damaged", len(c.damaged)).Uint64("lost", c.lost).
			Msg("outbox has events of an earlier run")
	}
	w.admit(next, c)
	signal(w.work)
}

// setClock sets the clock of the queue. The ages of entries do not change.
func (q *Queue) setClock(to time.Duration) {
	by := to - q.clock.now()
	q.clock.base += by
	for _, e := range q.entries {
		e.created = max(0, e.created+by)
	}
}

// admit adds the entries of a store. They keep their ages by the clock of the store, and precede all entries of this
// run. What exceeds the bounds is dropped.
func (w *writer) admit(from store, c contents) {
	w.stats.Restored += uint64(c.number()) //nolint:gosec // not negative
	w.stats.Dropped.Corrupt += uint64(len(c.damaged)) + c.lost
	if len(c.damaged) > 0 {
		w.removals[from] = append(w.removals[from], c.damaged...)
	}
	w.earliestOrder -= uint64(len(c.records))
	now := w.clock.now()
	for i, r := range c.records {
		w.lastKey++
		e := &entry{
			key: w.lastKey, order: w.earliestOrder + uint64(i), camera: r.camera, score: r.score, //nolint:gosec // an index
			created: min(max(0, now-(c.clock-r.created)), now), size: r.size, usage: w.store.diskUsage(r.size),
			store: from, storeKey: r.key, accepted: true, state: backlog,
		}
		w.entries[e.key] = e
		w.usage += e.usage
		w.schedule.push(e)
		if from != w.store {
			w.moving = append(w.moving, e)
		}
	}
	signal(w.ready)
	w.trim()
}
