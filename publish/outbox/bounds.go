package outbox

import (
	"cmp"
	"slices"
	"time"
)

// over says whether the box has too much with one more entry of so many bytes (0: with none more).
func (b *Box) over(bytes int64) bool {
	count := len(b.entries)
	if bytes > 0 {
		count++
	}
	return count > b.cfg.MaxEvents || b.bytes+bytes > b.limit
}

// makeRoom drops what is worth less than e until e fits, or refuses it.
func (b *Box) makeRoom(e *entry) bool {
	for b.over(e.bytes) {
		if !b.giveWay(e, b.entries, full) {
			return false
		}
	}
	for b.durable() && b.held()+e.bytes > heldBytes {
		if !b.giveWay(e, b.unsaved, disk) {
			return false
		}
	}
	return true
}

// giveWay drops the entry of the lowest score, which may be e: then it is false.
func (b *Box) giveWay(e *entry, of map[uint64]*entry, why reason) bool {
	worst := b.lowest(of)
	refused := worst == nil || e.score < worst.score
	if refused {
		b.stats.Refused.add(why)
	} else {
		b.drop(worst, why)
	}
	if b.fullLog.allow(time.Now()) {
		text := "outbox is full: the events of the lowest score go"
		if why == disk {
			text = "the disk takes no events, and no more can be held in memory: the events of the lowest score go"
		}
		b.log.Warn().Str("reason", why.String()).Int("events", len(b.entries)).Int64("bytes", b.bytes).
			Uint64("dropped", b.stats.Dropped.Total()).Uint64("refused", b.stats.Refused.Total()).Msg(text)
	}
	return !refused
}

// worse orders entries by what is dropped first: the lowest score, of equals the oldest.
func worse(a, b *entry) int {
	return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.born, b.born), compare(a.key, b.key))
}

// trim drops the events that exceed the bounds, for example after the bounds were lowered.
func (b *Box) trim() {
	if !b.over(0) {
		return
	}
	var candidates []*entry
	for _, e := range b.entries {
		if e.place != inFlight {
			candidates = append(candidates, e)
		}
	}
	slices.SortFunc(candidates, worse)
	n := 0
	for ; n < len(candidates) && b.over(0); n++ {
		b.drop(candidates[n], full)
	}
	b.log.Warn().Int("dropped", n).Str("reason", full.String()).Int("events", len(b.entries)).
		Int("max_events", b.cfg.MaxEvents).Int("max_mib", b.cfg.MaxMiB).
		Msg("outbox holds more than its bounds allow: the events of the lowest score were dropped")
}

// held is how many bytes are in memory only.
func (b *Box) held() (sum int64) {
	for _, e := range b.unsaved {
		if e.place != gone {
			sum += e.bytes
		}
	}
	return sum
}

// expire drops what is too old.
func (b *Box) expire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.clock.started) < b.timing.grace {
		return
	}
	oldest := b.clock.now() - b.cfg.MaxAge
	n := 0
	for _, e := range b.entries {
		if e.born < oldest && e.place != inFlight && e.place != pending {
			b.drop(e, expired)
			n++
		}
	}
	if n > 0 {
		b.log.Warn().Int("dropped", n).Str("reason", expired.String()).Str("max_age", b.cfg.MaxAge.String()).
			Msg("events were too old and were dropped")
	}
}

// drop removes an entry that was not delivered.
func (b *Box) drop(e *entry, why reason) {
	if e.counted {
		b.stats.Dropped.add(why)
	} else {
		b.stats.Refused.add(why)
	}
	b.remove(e)
}

// remove deletes an entry from the outbox, and from its store with the next commit.
func (b *Box) remove(e *entry) {
	b.lanes.remove(e)
	e.place = gone
	delete(b.entries, e.key)
	b.bytes -= e.bytes
	if e.home != nil {
		b.removed[e.home] = append(b.removed[e.home], e.slot)
	} else if !e.writing { // otherwise committed removes it
		delete(b.unsaved, e.key)
	}
	e.settle()
}
