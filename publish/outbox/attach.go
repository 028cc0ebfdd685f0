package outbox

import (
	"fmt"
	"slices"
	"time"
)

// openStores opens the store of the configuration, and the files that hold events of earlier runs. It returns permanent
// errors only. After any other, events are held in memory until checkStore can open the file.
func (w *writer) openStores() error {
	if w.cfg.Store == Disk {
		w.store = &noStore{}
		switch err := w.openFirst(); {
		case isPermanent(err):
			return err
		case err != nil:
			w.openLater(err)
		}
	}
	w.openPrevious()
	return nil
}

// openFirst opens the file of the configuration in place of noStore.
func (w *writer) openFirst() error {
	key, err := readKey(w.cfg.KeyFile)
	var d *diskStore
	var c contents
	if err == nil {
		d, c, err = openDisk(w.cfg, key, false, w.log)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.diskFailing = true
		return err
	}
	if w.openFault != "" {
		w.log.Info().Str("dir", w.cfg.Dir).Int("held", w.atRisk()).
			Msg("the outbox could be opened: it stores what was held in memory")
	}
	w.attach(d, c)
	return nil
}

// openLater plans the next attempt to open the file, and logs why it cannot be opened if the reason has changed.
func (w *writer) openLater(err error) {
	w.openAt = time.Now().Add(w.openDelays.NextBackOff())
	if text := err.Error(); text != w.openFault {
		w.openFault = text
		w.log.Error().Err(err).Str("dir", w.cfg.Dir).Str("held_at_most", fmt.Sprintf("%d MiB", heldBytes>>20)).
			Msg("the outbox cannot be opened: events are held in memory and written later; it is tried again")
	}
}

// checkStore opens the file if it could not be opened before, if it is corrupt, or if it has lost its name.
func (w *writer) checkStore() {
	if time.Now().Before(w.openAt) {
		return
	}
	switch present := w.store.(type) {
	case *noStore:
		if err := w.openFirst(); err != nil {
			w.openLater(err)
		}
	case *diskStore:
		w.mu.Lock()
		corrupt := w.fileCorrupt
		w.mu.Unlock()
		if corrupt || present.displaced() {
			w.reopen(present, corrupt)
		}
	}
}

// reopen opens the file that has the name of the outbox now, or a new one. Either the old file is corrupt and is
// salvaged: then an entry is lost if it is neither salvaged nor in memory. Or the old file has lost its name: it can
// still be read, and its entries move, except those that are in the file already because the disk was mounted again.
func (w *writer) reopen(old *diskStore, corrupt bool) {
	_ = old.lock.Close() // it may be on the same lock file
	if corrupt {
		old.abandon()
	}
	d, c, err := openDisk(w.cfg, old.key, corrupt, w.log)
	if err != nil {
		w.openLater(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !corrupt {
		w.log.Error().Str("file", d.path).Int("events", len(w.entries)).
			Msg("the file of the outbox was removed or replaced while it was used: what waits is written to a new one")
	}
	missing := map[uint64]*entry{}
	for _, e := range w.entries {
		if e.store == store(old) {
			missing[e.storeKey] = e
		}
	}
	unknown := []record(nil)
	for _, r := range c.records {
		if e := missing[r.key]; e != nil && e.matches(r) {
			e.store = d
			delete(missing, r.key)
		} else {
			unknown = append(unknown, r)
		}
	}
	if c.records = unknown; corrupt {
		w.dropMissing(d, missing, unknown)
		c = contents{clock: c.clock, tally: c.tally}
		delete(w.removals, store(old))
		w.store = &noStore{}
	} else {
		old.detached.Store(true)
	}
	w.attach(d, c)
}

// dropMissing drops entries that were not salvaged if they are not in memory, and deletes salvaged records that belong
// to no entry, because they were delivered.
func (w *writer) dropMissing(d store, missing map[uint64]*entry, unknown []record) {
	for _, r := range unknown {
		w.removals[d] = append(w.removals[d], r.key)
	}
	for _, e := range missing {
		e.store = nil
		if e.data == nil {
			w.drop(e, corrupt)
		}
	}
}

// attach makes a store the present one, and adds the events that it holds. The entries of the store before move there.
func (w *writer) attach(next store, c contents) {
	before := w.store
	if old, onDisk := before.(*diskStore); onDisk {
		w.previous = append(w.previous, &previous{disk: old, clock: w.clock})
	} else {
		delete(w.removals, before)
	}
	w.previous = slices.DeleteFunc(w.previous, func(p *previous) bool { return store(p.disk) == next })
	w.store, w.lastStoreKey = next, c.tally.last
	w.openDelays.Reset()
	w.openAt, w.openFault = time.Time{}, ""
	w.fileCorrupt, w.diskFailing = false, false
	w.setClock(c.clock)
	w.usage = 0
	clear(w.unsaved)
	for _, e := range w.entries {
		e.usage = w.cfg.usage(e.size)
		w.usage += e.usage
		if e.store != next {
			w.unsaved[e.key] = e
		}
	}
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
	w.firstOrder -= int64(len(c.records))
	now := w.clock.now()
	for i, r := range c.records {
		w.lastKey++
		e := &entry{
			key: w.lastKey, order: w.firstOrder + int64(i), camera: r.camera, score: r.score,
			created: min(max(0, now-(c.clock-r.created)), now), size: r.size, usage: w.cfg.usage(r.size),
			store: from, storeKey: r.key, accepted: true, state: backlog,
		}
		w.entries[e.key] = e
		w.usage += e.usage
		w.schedule.push(e)
		if from != w.store {
			w.unsaved[e.key] = e
		}
	}
	signal(w.ready)
	w.trim()
}
