package outbox

import "time"

// Hold puts an event in flight back, because the broker refuses it: it is not sent again before the time has passed. With
// camera, all events of its camera are held back for that time.
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
