package outbox

import (
	"errors"
	"fmt"
	"time"
)

// errSlow is the fault of a disk that answers, but not in time.
var errSlow = errors.New("the disk takes too long")

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
			if failing {
				continue // the tick tries again
			}
		case <-tick.C:
			if time.Since(expiry) > time.Minute || b.timing.grace == 0 {
				expiry = time.Now()
				b.expire()
			}
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

// finish is the last commit.
func (b *Box) finish() {
	b.flush(true)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.unsaved {
		e.settle()
	}
	b.err = b.store.close()
	if n := b.lost(); n > 0 {
		b.err = errors.Join(fmt.Errorf("outbox: %d events were not delivered", n), b.err)
	}
}

// flush commits what has changed; with always, the clock at least, which also tells whether the disk is back.
func (b *Box) flush(always bool) {
	changes, entries := b.collect()
	if len(changes.put)+len(changes.remove) == 0 && !always {
		return
	}
	err := b.store.commit(changes)
	if err != nil && len(changes.remove) > 0 && len(changes.put) > 0 && !errors.Is(err, errTorn) {
		// On a full disk removing may still do, and makes room.
		if b.store.commit(batch{remove: changes.remove, clock: changes.clock}) == nil {
			changes.remove = nil
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.committed(entries)
		return
	}
	b.removed = append(changes.remove, b.removed...)
	b.failed(entries, err)
}

// failed lets entries go their way that could not be written. They are tried again with every tick.
func (b *Box) failed(entries []*entry, err error) {
	for _, e := range entries {
		e.writing = false
		switch e.place {
		case gone:
			delete(b.unsaved, e.key)
		case pending:
			b.hold(e)
		}
	}
	b.troubled(err)
	if errors.Is(err, errTorn) {
		b.rescue()
	}
}

// collect makes a batch of what has changed.
func (b *Box) collect() (batch, []*entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	entries := sorted(b.unsaved)
	changes := batch{remove: b.removed, clock: b.clock.now()}
	b.removed = nil
	for _, e := range entries {
		e.writing = true
		changes.put = append(changes.put, e.record())
	}
	return changes, entries
}

// committed notes that entries are in the store.
func (b *Box) committed(entries []*entry) {
	for _, e := range entries {
		delete(b.unsaved, e.key)
		e.writing, e.saved = false, true
		if e.place == gone {
			b.removed = append(b.removed, e.key)
			continue
		}
		b.count(e)
		if b.Durable() && e.place != inFlight {
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
		b.log.Error().Err(err).Int("events", len(b.unsaved)).Msg("disk takes no events: they are held in memory until it does")
	}
	b.failing = true
}

// rescue begins a new file when the present one turned out to be torn. What is in memory is written again, the rest is lost.
func (b *Box) rescue() {
	if err := b.store.renew(); err != nil {
		if !b.stranded {
			b.log.Error().Err(err).Msg("cannot begin a new outbox; it is tried again")
		}
		b.stranded = true
		return
	}
	b.removed, b.stranded = nil, false
	for _, e := range b.entries {
		switch {
		case e.data != nil:
			e.saved, b.unsaved[e.key] = false, e
		default:
			e.saved = false // nothing to remove
			b.drop(e, corrupt)
		}
	}
}
