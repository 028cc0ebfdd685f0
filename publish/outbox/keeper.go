package outbox

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// errSlow is the fault of a disk that answers, but not in time.
var errSlow = errors.New("the disk takes too long")

// moveBytes bounds what one commit carries over from another store, so that a new event does not wait for long.
const moveBytes = 1 << 20

// keep is the goroutine that writes: new events at once and together, so that cameras do not wait for each other's
// fsync; what was delivered with the next of them, or a little later, to spare the flash.
func (b *Box) keep() {
	defer close(b.done)
	tick := time.NewTicker(b.timing.tidy)
	defer tick.Stop()
	var expiry time.Time
	for {
		failing := b.isFailing()
		select {
		case <-b.work:
			if b.isCorrupt() {
				b.rescue()
			}
			if failing {
				continue // the tick tries again
			}
		case <-tick.C:
			if time.Since(expiry) > time.Minute || b.timing.grace == 0 {
				expiry = time.Now()
				b.expire()
			}
			b.openLater()
		case c := <-b.changes:
			b.apply(c)
		case <-b.quit:
			b.finish()
			return
		}
		b.flush(failing)
	}
}

func (b *Box) isFailing() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failing
}

func (b *Box) isCorrupt() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.corrupt
}

// finish is the last commit.
func (b *Box) finish() {
	b.flush(true)
	for left := len(b.moving) + 1; len(b.moving) < left && b.anyAtRiskMoves(); {
		left = len(b.moving)
		b.flush(true)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.unsaved {
		e.settle()
	}
	b.err = b.store.close()
	for _, f := range b.formers {
		b.err = errors.Join(b.err, f.disk.close())
	}
	if n := b.atRisk(); n > 0 {
		b.err = errors.Join(fmt.Errorf("outbox: %d events were not delivered", n), b.err)
	}
}

// flush commits what has changed; with always, the clock at least, which also tells whether the disk is back.
func (b *Box) flush(always bool) {
	changes, entries := b.collect()
	if len(changes.put)+len(changes.remove) > 0 || always {
		changes, entries = b.fetch(changes, entries)
		b.write(changes, entries)
	}
	b.tidyFormers()
}

// write performs one commit.
func (b *Box) write(changes batch, entries []*entry) {
	err := b.store.commit(changes)
	if err != nil && len(changes.remove) > 0 && len(changes.put) > 0 && !errors.Is(err, errTorn) {
		// On a full disk removing may still do, and makes room.
		if b.store.commit(batch{remove: changes.remove, clock: changes.clock}) == nil {
			changes.remove = nil
		}
	}
	b.mu.Lock()
	if err == nil {
		b.committed(entries, changes.put)
	} else {
		b.removed[b.store] = append(changes.remove, b.removed[b.store]...)
		b.failed(entries, err)
	}
	b.mu.Unlock()
	if errors.Is(err, errTorn) {
		b.rescue()
	}
	if err == nil && len(b.moving) > 0 && time.Now().After(b.pause) {
		poke(b.work)
	}
}

// failed lets entries go their way that could not be written. They are tried again with every tick.
func (b *Box) failed(entries []*entry, err error) {
	var moving []*entry
	for _, e := range entries {
		e.writing = false
		switch {
		case e.home != nil:
			moving = append(moving, e)
		case e.place == gone:
			delete(b.unsaved, e.key)
		case e.place == pending:
			b.hold(e)
		}
	}
	b.moving = slices.Concat(moving, b.moving)
	b.troubled(err)
}

// collect returns a batch with the changes, and with some of the entries that move.
func (b *Box) collect() (batch, []*entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	entries := sorted(b.unsaved)
	changes := batch{remove: b.removed[b.store], clock: b.clock.now()}
	delete(b.removed, b.store)
	for size := 0; len(b.moving) > 0 && size < moveBytes && time.Now().After(b.pause); b.moving = b.moving[1:] {
		if e := b.moving[0]; e.place != gone {
			entries = append(entries, e)
			size += e.size
		}
	}
	for _, e := range entries {
		b.lastSlot++
		e.writing, e.target = true, b.lastSlot
		changes.put = append(changes.put, e.record())
	}
	return changes, entries
}

// committed notes that entries are in the store.
func (b *Box) committed(entries []*entry, as []record) {
	for i, e := range entries {
		if e.home == nil {
			delete(b.unsaved, e.key)
		} else if e.place != gone {
			b.moved(e)
		}
		e.writing, e.home, e.slot = false, b.store, e.target
		if e.place == gone {
			b.removed[b.store] = append(b.removed[b.store], e.slot)
			continue
		}
		b.count(e)
		if !b.store.durable() {
			e.data = as[i].data
		} else if e.place != inFlight {
			e.data = nil
		}
		if e.place == pending {
			b.enqueue(e)
		}
		e.settle()
	}
	if b.failing {
		b.failing = false
		b.log.Info().Int("events", len(b.entries)).Msg("disk takes events again")
	}
}

// count makes an entry one of the accepted.
func (b *Box) count(e *entry) {
	if !e.counted {
		e.counted = true
		b.stats.Accepted++
	}
}

// hold lets an entry go its way although it is not saved.
func (b *Box) hold(e *entry) {
	b.enqueue(e)
	e.settle()
}

// enqueue puts a pending entry where it waits to be sent.
func (b *Box) enqueue(e *entry) {
	b.order++
	e.order, e.place = b.order, backlog
	if e.link == b.link && e.link != 0 {
		e.place = fresh
	}
	b.lanes.push(e)
	poke(b.wake)
}

// troubled notes that the disk does not do its work, and logs that once.
func (b *Box) troubled(err error) {
	if !b.failing {
		b.log.Error().Err(err).Int("events", len(b.unsaved)).
			Msg("disk takes no events: they are held in memory until it does; free some room, or mount it for writing")
	}
	b.failing = true
}

// rescue replaces a corrupt file by a new one with the salvaged entries. Entries in memory are written again; all
// others are lost.
func (b *Box) rescue() {
	if time.Now().Before(b.pauseRescue) {
		return
	}
	saved, err := b.store.renew(b.alive())
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		if !b.stranded {
			b.log.Error().Err(err).Msg("cannot begin a new outbox; it is tried again")
		}
		b.stranded, b.pauseRescue = true, time.Now().Add(b.timing.open)
		return
	}
	b.stranded, b.corrupt = false, false
	for _, e := range b.entries {
		switch {
		case e.home != b.store || saved[e.slot]:
		case e.data != nil:
			e.home, b.unsaved[e.key] = nil, e
		default:
			e.home = nil // nothing to remove
			b.drop(e, corrupt)
		}
	}
}

// alive returns a function that reports whether a record of the present store belongs to an entry.
func (b *Box) alive() func(record) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	slots := map[uint64]found{}
	for _, e := range b.entries {
		if e.home == b.store {
			slots[e.slot] = found{camera: e.camera, score: e.score, size: e.size}
		}
	}
	return func(r record) bool {
		e, is := slots[r.key]
		return is && e.camera == r.camera && e.score == r.score && e.size == len(r.data)
	}
}
