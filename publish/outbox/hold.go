package outbox

import "time"

// Hold returns an event in flight to the queue, because the broker refuses it. It is not sent again before wait has
// passed. If camera is true, all events of its camera wait that long.
func (b *Box) Hold(key uint64, wait time.Duration, camera bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[key]
	if e == nil || e.place != inFlight {
		return
	}
	until := time.Now().Add(wait)
	if !camera { // it goes behind the others
		b.order++
		e.order, e.rest = b.order, until
	}
	b.waitAgain(e)
	if camera {
		b.lanes.of[e.camera].held = until
	}
}
