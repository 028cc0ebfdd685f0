package outbox

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// moveBytes bounds what one commit carries over from another store, so that a new event does not wait for long.
const moveBytes = 1 << 20

// writer is the goroutine that opens, writes, salvages, moves and closes stores. Only it uses the fields below; the
// entries and counts of the queue are guarded by Queue.mu as everywhere. It does not hold Queue.mu while it waits for
// the disk.
type writer struct {
	*Queue

	openDelays  *backoff.ExponentialBackOff // between attempts to open the file
	openAt      time.Time                   // of the next attempt
	openFault   string                      // why the last one failed; empty: it did not
	movePause   time.Time                   // no entry moves before: a read failed
	previous    []*previous                 // files whose entries move to the present store
	unreachable []string                    // directories with events that cannot be carried over
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
			w.checkStore()
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

// finish commits until no event would be lost with the process, or a commit makes no progress. Then it closes all
// stores.
func (w *writer) finish() error {
	w.flush(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	for left := w.atRisk() + 1; w.atRisk() > 0 && w.atRisk() < left && w.store.durable(); {
		left = w.atRisk()
		w.mu.Unlock()
		w.flush(true)
		w.mu.Lock()
	}
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
	writes, changes, more := w.collect()
	if len(writes)+len(changes.remove) > 0 || always {
		w.commit(w.fetch(writes), changes, more)
	}
	w.tidyPrevious()
}

// collect returns what the next commit does: it adds all entries that are in no store and some of those in other
// stores. more is true if others wait for that.
func (w *writer) collect() (writes []write, changes batch, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	size, pause := 0, time.Now().Before(w.movePause)
	for _, e := range slices.SortedFunc(maps.Values(w.unsaved), byKey) {
		if e.store != nil {
			if pause || size >= moveBytes {
				more = !pause
				continue
			}
			size += e.size
		}
		w.lastStoreKey++
		e.writing = true
		writes = append(writes, write{e, record{
			key: w.lastStoreKey, camera: e.camera, score: e.score, created: e.created, size: e.size, data: e.data,
		}})
	}
	changes = batch{remove: w.removals[w.store], clock: w.clock.now()}
	delete(w.removals, w.store)
	return writes, changes, more
}

// fetch reads the data of entries that move. Damaged entries are dropped; those that cannot be read for another reason
// move later.
func (w *writer) fetch(writes []write) (good []write) {
	for _, x := range writes {
		var err error
		if e := x.entry; x.record.data == nil && e.store != nil {
			x.record.data, err = e.store.read(e.storeKey)
		}
		if err == nil {
			good = append(good, x)
		} else {
			w.fetchFailed(x.entry, err)
		}
	}
	return good
}

func (w *writer) fetchFailed(e *entry, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.writing = false
	switch {
	case e.state == removed:
		delete(w.unsaved, e.key)
	case errors.Is(err, errDamaged), errors.Is(err, errCorrupt):
		w.log.Warn().Err(err).Str("camera", e.camera).Msg(cannotBeRead)
		if p := w.previousOf(e.store); p != nil {
			p.damaged++
		}
		w.drop(e, corrupt)
	default:
		w.movePause = time.Now().Add(w.timing.retry)
		w.readFailed(e, err)
	}
}

// commit makes changes to the present store, and adds entries to it. more is as in collect.
func (w *writer) commit(writes []write, changes batch, more bool) {
	for _, x := range writes {
		changes.put = append(changes.put, x.record)
	}
	err := w.store.commit(changes)
	if err != nil && len(changes.remove) > 0 && len(writes) > 0 && !errors.Is(err, errCorrupt) {
		// On a full disk records may still be removed, which makes room.
		if w.store.commit(batch{remove: changes.remove, clock: changes.clock}) == nil {
			changes.remove = nil
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.committed(writes)
	} else {
		w.removals[w.store] = append(changes.remove, w.removals[w.store]...)
		w.notCommitted(writes, err)
	}
	if more || w.fileCorrupt {
		signal(w.work)
	}
}

// committed records that entries are in the present store.
func (w *writer) committed(writes []write) {
	for _, x := range writes {
		e := x.entry
		delete(w.unsaved, e.key)
		if p := w.previousOf(e.store); p != nil && e.state != removed {
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
	for _, x := range writes {
		x.entry.writing = false
		switch x.entry.state {
		case removed:
			delete(w.unsaved, x.entry.key)
		case pending:
			w.enqueue(x.entry)
		}
	}
	w.diskFailed(err)
	w.fileCorrupt = w.fileCorrupt || errors.Is(err, errCorrupt)
}
