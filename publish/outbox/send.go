package outbox

import (
	"errors"
	"time"
)

// Item is an event to send. It stays in the box until Done.
type Item struct {
	Key    uint64
	Camera string
	Data   []byte
	// Replayed is false only for one that came during the present connection, a moment ago, and was not sent before.
	Replayed bool
}

// Connect notes that there is a connection: what comes from now on is fresh.
func (b *Box) Connect() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.links++
	b.link = b.links
}

// Disconnect notes that it has ended: nothing is fresh any more, and what was in flight waits again.
func (b *Box) Disconnect() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.link = 0
	b.lanes.demote(time.Time{}, true)
	for _, e := range b.entries {
		if e.place == inFlight {
			b.waitAgain(e)
		}
	}
}

func (b *Box) waitAgain(e *entry) {
	e.place = backlog
	if e.durable() && !e.writing {
		e.data = nil
	}
	b.lanes.push(e)
}

// Ready has a token when something new may be sent.
func (b *Box) Ready() <-chan struct{} { return b.wake }

// Next is the event that should be sent now. Without one, wait says when to ask again, 0 that Ready will tell. At the
// end of a publisher last is true: then events in memory are not held back, for they would be lost.
func (b *Box) Next(last bool) (item Item, wait time.Duration, ok bool) {
	for {
		e, wait := b.choose(last)
		if e == nil {
			return Item{}, wait, false
		}
		if item, ok := b.load(e); ok {
			return item, 0, true
		}
	}
}

// choose takes the next entry out of its lane.
func (b *Box) choose(last bool) (e *entry, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.lanes.demote(now.Add(-b.timing.fresh), false)
	if e = b.lanes.next(firstFresh); e != nil {
		b.take(e)
		return e, 0
	}
	rested := now
	if last && b.anyAtRisk() {
		rested = now.Add(maxRest)
	} else if wait = b.drainAt.Sub(now); wait > 0 {
		return nil, b.ifAny(wait)
	}
	if e = b.lanes.next(firstRested(rested)); e == nil {
		return nil, b.ifAny(b.timing.rest)
	}
	b.drainAt = now.Add(time.Duration(float64(time.Second) / b.cfg.DrainRate))
	b.take(e)
	return e, 0
}

// ifAny is wait when there is something to wait for, otherwise 0.
func (b *Box) ifAny(wait time.Duration) time.Duration {
	if len(b.lanes.ring) == 0 {
		return 0
	}
	return wait
}

// take makes an entry one in flight; it remembers whether it was fresh by its link.
func (b *Box) take(e *entry) {
	if e.place == backlog {
		e.link = 0
	}
	b.lanes.remove(e)
	e.place = inFlight
}

// load reads the data of an entry in flight; one that cannot be read is dropped.
func (b *Box) load(e *entry) (Item, bool) {
	data, err := b.read(e)
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.place == gone { // the file turned out to be torn meanwhile
		return Item{}, false
	}
	switch {
	case errors.Is(err, errCorrupt):
		b.log.Warn().Err(err).Str("camera", e.camera).Msg("an event in the outbox cannot be read and is dropped")
		b.drop(e, corrupt)
		return Item{}, false
	case err != nil: // the disk may recover, or the event may be salvaged
		b.unreadable(err)
		e.rest = time.Now().Add(b.timing.rest)
		b.waitAgain(e)
		return Item{}, false
	}
	e.data = data
	return Item{Key: e.key, Camera: e.camera, Data: data, Replayed: e.link == 0}, true
}

// unreadable records that the file cannot be read. If it is corrupt, keep salvages what it can.
func (b *Box) unreadable(err error) {
	if b.readLog.allow(time.Now()) {
		b.log.Warn().Err(err).Msg("the outbox cannot be read; it is tried again")
	}
	if errors.Is(err, errTorn) {
		b.corrupt = true
		poke(b.work)
	}
}

// read returns the data of an entry from the store that holds it at that time.
func (b *Box) read(e *entry) ([]byte, error) {
	for {
		b.mu.Lock()
		data, home, slot := e.data, e.home, e.slot
		b.mu.Unlock()
		if data != nil || home == nil {
			return data, nil
		}
		data, err := home.read(slot) // outside of the lock: the disk may be slow
		b.mu.Lock()
		there := e.home == home && e.slot == slot
		b.mu.Unlock()
		if there || err == nil {
			return data, err
		}
	}
}

// Done removes an event that the broker has acknowledged.
func (b *Box) Done(key uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[key]
	if e == nil {
		return
	}
	b.count(e)
	b.stats.Delivered++
	b.remove(e)
}

// Discard drops an event that turned out to be damaged.
func (b *Box) Discard(key uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries[key]; e != nil {
		b.drop(e, corrupt)
	}
}

const (
	patience = 3 // connections that an event may cost before it goes to the end of the backlog
	maxRest  = 10 * time.Minute
)

// Blame counts against an event that a connection ended while it was the oldest in flight. A broker may close the
// connection over one it does not like; so that it does not stop all others for ever, it goes behind them and rests. It
// says whether it did.
func (b *Box) Blame(key uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[key]
	if e == nil {
		return false
	}
	if e.failures++; e.failures < patience {
		return false
	}
	rest := min(b.timing.rest<<min(e.failures-patience, 10), maxRest)
	b.order++
	b.lanes.remove(e)
	e.order, e.rest = b.order, time.Now().Add(rest)
	if e.place != inFlight {
		b.lanes.push(e)
	}
	return true
}

// Pending returns the number of events that a publisher should wait for before it ends: those of this connection, and
// those that would be lost otherwise, but not events that are held.
func (b *Box) Pending() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, now := 0, time.Now()
	for _, e := range b.entries {
		if in := b.lanes.of[e.camera]; in != nil && in.held.After(now) && e.place != inFlight {
			continue
		}
		if e.place == inFlight || e.place == fresh || e.place == pending || !e.durable() {
			n++
		}
	}
	return n
}

// anyAtRisk reports whether something would be lost with the process.
func (b *Box) anyAtRisk() bool {
	if !b.durable() {
		return true
	}
	for _, e := range b.unsaved {
		if e.place != gone {
			return true
		}
	}
	return false
}
