package outbox

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// moveBytes bounds what one commit carries over from another store, so that a new event does not wait for long.
const moveBytes = 1 << 20

// writer is the goroutine that opens, writes, salvages, moves and closes stores. Only it uses the fields below; the
// entries and counts of the queue are guarded by Queue.mu as everywhere. It does not hold Queue.mu while it waits for the
// disk.
type writer struct {
	*Queue

	attempt       attempt     // to open the file
	moving        []*entry    // entries in other stores than the present one, by key
	movePause     time.Time   // no entry moves before: a read failed
	salvagePause  time.Time   // no file is salvaged before: the last attempt failed
	salvageFailed bool        // a failed attempt was logged
	previous      []*previous // files whose entries move to the present store
	unreachable   []string    // directories with events that cannot be carried over
}

// run writes new events at once and together, so that cameras do not wait for each other's fsync. What was delivered is
// deleted with the next of them, or a little later, to spare flash memory.
func (w *writer) run() {
	defer close(w.done)
	tick := time.NewTicker(w.timing.tidy)
	defer tick.Stop()
	var expiry time.Time
	for {
		failing := w.isFailing()
		select {
		case <-w.work:
			if w.isCorrupt() {
				w.salvage()
			}
			if failing {
				continue // until the next tick
			}
		case <-tick.C:
			if time.Since(expiry) > time.Minute || w.timing.grace == 0 {
				expiry = time.Now()
				w.expire()
			}
			w.checkStore()
		case c := <-w.changes:
			c.result <- w.apply(c)
		case <-w.quit:
			w.err = w.finish()
			return
		}
		w.flush(failing)
	}
}

func (q *Queue) isFailing() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.diskFailing
}

func (q *Queue) isCorrupt() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fileCorrupt
}

// finish makes the last commits and closes all stores. Entries that move go on moving while they would be lost
// otherwise.
func (w *writer) finish() error {
	w.flush(true)
	atRisk := func(e *entry) bool { return e.state != removed && !e.durable() }
	for left := len(w.moving) + 1; len(w.moving) < left && slices.ContainsFunc(w.moving, atRisk) && w.store.durable(); {
		left = len(w.moving)
		w.flush(true)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.unsaved {
		e.decide()
	}
	err := w.store.close()
	for _, p := range w.previous {
		err = errors.Join(err, p.disk.close())
	}
	if n := w.atRisk(); n > 0 {
		err = errors.Join(fmt.Errorf("outbox: %d events were not delivered", n), err)
	}
	return err
}

// write is one entry of a commit.
type write struct {
	entry  *entry
	record record
}

// flush commits what has changed. With always it commits at least the clock, which shows whether the disk is back.
func (w *writer) flush(always bool) {
	writes, removals, now := w.collect()
	if len(writes)+len(removals) > 0 || always {
		w.commit(w.fetch(writes), removals, now)
	}
	w.tidyPrevious()
}

// collect returns what a commit has to do: it adds all entries that are in no store and some of those that move.
func (w *writer) collect() (writes []write, removals []uint64, now time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	entries := slices.SortedFunc(maps.Values(w.unsaved), byKey)
	for size := 0; len(w.moving) > 0 && size < moveBytes && time.Now().After(w.movePause); w.moving = w.moving[1:] {
		if e := w.moving[0]; e.state != removed {
			entries = append(entries, e)
			size += e.size
		}
	}
	for _, e := range entries {
		w.lastStoreKey++
		e.writing = true
		writes = append(writes, write{e, record{
			key: w.lastStoreKey, camera: e.camera, score: e.score, created: e.created, size: e.size, data: e.data,
		}})
	}
	removals = w.removals[w.store]
	delete(w.removals, w.store)
	return writes, removals, w.clock.now()
}

// fetch reads the data of entries that move. Damaged entries are dropped; those that cannot be read for another reason
// move later.
func (w *writer) fetch(writes []write) (good []write) {
	var later []*entry
	for _, x := range writes {
		var err error
		if e := x.entry; x.record.data == nil && e.store != nil {
			x.record.data, err = e.store.read(e.storeKey)
		}
		if err == nil {
			good = append(good, x)
		} else if !w.dropDamaged(x.entry, err) {
			later = append(later, x.entry)
		}
	}
	if len(later) > 0 {
		w.moving, w.movePause = slices.Concat(later, w.moving), time.Now().Add(w.timing.retry)
	}
	return good
}

// dropDamaged drops an entry that could not be read if it is damaged, and reports whether the entry is removed.
func (w *writer) dropDamaged(e *entry, err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.writing = false
	if e.state == removed {
		return true
	}
	if !errors.Is(err, errDamaged) && !errors.Is(err, errCorrupt) {
		w.readFailed(e, err)
		return false
	}
	w.log.Warn().Err(err).Str("camera", e.camera).Msg(cannotBeRead)
	if p := w.previousOf(e.store); p != nil {
		p.damaged++
	}
	w.drop(e, corrupt)
	return true
}

// commit commits entries and removals to the present store.
func (w *writer) commit(writes []write, removals []uint64, now time.Duration) {
	b := batch{remove: removals, clock: now}
	for _, x := range writes {
		b.put = append(b.put, x.record)
	}
	err := w.store.commit(b)
	if err != nil && len(removals) > 0 && len(writes) > 0 && !errors.Is(err, errCorrupt) {
		// On a full disk records may still be removed, which makes room.
		if w.store.commit(batch{remove: removals, clock: now}) == nil {
			removals = nil
		}
	}
	w.mu.Lock()
	if err == nil {
		w.committed(writes)
	} else {
		w.removals[w.store] = append(removals, w.removals[w.store]...)
		w.notCommitted(writes, err)
	}
	w.mu.Unlock()
	switch {
	case errors.Is(err, errCorrupt):
		w.salvage()
	case err == nil && len(w.moving) > 0 && time.Now().After(w.movePause):
		signal(w.work)
	}
}

// committed records that entries are in the present store.
func (w *writer) committed(writes []write) {
	for _, x := range writes {
		e := x.entry
		if e.store == nil {
			delete(w.unsaved, e.key)
		} else if p := w.previousOf(e.store); p != nil && e.state != removed {
			p.moved++
			w.removals[e.store] = append(w.removals[e.store], e.storeKey)
		}
		e.writing, e.store, e.storeKey = false, w.store, x.record.key
		if e.state == removed { // while it was being written
			w.removals[w.store] = append(w.removals[w.store], e.storeKey)
			continue
		}
		w.accept(e)
		switch {
		case !w.store.durable():
			e.data = x.record.data
		case e.state != inFlight:
			e.data = nil
		}
		if e.state == pending {
			w.enqueue(e)
		}
	}
	if w.diskFailing {
		w.diskFailing = false
		w.log.Info().Int("events", len(w.entries)).Msg("disk takes events again")
	}
}

// notCommitted lets entries that could not be written be sent all the same. They are written with the next commit.
func (w *writer) notCommitted(writes []write, err error) {
	var moving []*entry
	for _, x := range writes {
		e := x.entry
		e.writing = false
		switch {
		case e.store != nil:
			moving = append(moving, e)
		case e.state == removed:
			delete(w.unsaved, e.key)
		case e.state == pending:
			w.enqueue(e)
		}
	}
	w.moving = slices.Concat(moving, w.moving)
	w.diskFailed(err)
}

// salvage replaces the corrupt present file by a new one with the salvaged entries. Entries in memory are written again,
// and all others are lost. If it cannot, it is tried again after some time.
func (w *writer) salvage() {
	d, onDisk := w.store.(*diskStore)
	if !onDisk || time.Now().Before(w.salvagePause) {
		return
	}
	search, err := d.salvage(errCorrupt, w.waitsIn(d))
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		if !w.salvageFailed {
			w.log.Error().Err(err).Msg("the corrupt outbox cannot be replaced by a new one; it is tried again")
		}
		w.salvageFailed, w.salvagePause = true, time.Now().Add(w.timing.open)
		return
	}
	saved := map[uint64]bool{}
	for _, l := range search.locations {
		saved[l.key] = true
	}
	w.salvageFailed, w.fileCorrupt = false, false
	for _, e := range w.entries {
		switch {
		case e.store != w.store || saved[e.storeKey]:
		case e.data != nil:
			e.store, w.unsaved[e.key] = nil, e
		default:
			e.store = nil // nothing to remove
			w.drop(e, corrupt)
		}
	}
}

// waitsIn returns a function that reports whether a record of a store belongs to an entry.
func (w *writer) waitsIn(d store) func(record) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	entries := map[uint64]*entry{}
	for _, e := range w.entries {
		if e.store == d {
			entries[e.storeKey] = e
		}
	}
	return func(r record) bool {
		e := entries[r.key]
		return e != nil && e.matches(r)
	}
}
