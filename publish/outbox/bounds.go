package outbox

import (
	"cmp"
	"slices"
	"time"
)

// heldBytes bounds what is held in memory while the disk takes nothing.
const heldBytes = 16 << 20

// over reports whether the queue exceeds its bounds with so many more events of so many bytes.
func (q *Queue) over(events int, bytes int64) bool {
	return len(q.entries)+events > q.cfg.MaxEvents || q.usage+bytes > q.cfg.maxUsage()
}

// makeRoom drops entries of lower scores until e fits. It returns false if e is refused.
func (q *Queue) makeRoom(e *entry) bool {
	for q.over(1, e.usage) {
		if !q.dropLowest(e, q.entries, full) {
			return false
		}
	}
	for q.cfg.Store == Disk && q.heldUsage()+e.usage > heldBytes {
		if !q.dropLowest(e, q.unsaved, disk) {
			return false
		}
	}
	return true
}

// dropLowest drops the entry of the lowest score. It returns false if that is e, which is refused then.
func (q *Queue) dropLowest(e *entry, among map[uint64]*entry, why reason) bool {
	var lowest *entry
	for _, other := range among {
		droppable := other.state != inFlight && other.state != removed && (why == full || other.store == nil)
		if droppable && (lowest == nil || byValue(other, lowest) < 0) {
			lowest = other
		}
	}
	refused := lowest == nil || e.score < lowest.score
	if refused {
		q.stats.Refused.add(why)
	} else {
		q.drop(lowest, why)
	}
	text := "outbox is full: the events of the lowest score go"
	if why == disk {
		text = "the disk takes no events, and no more can be held in memory: the events of the lowest score go"
	}
	q.fullLog.Warn().Str("reason", string(why)).Int("events", len(q.entries)).Int64("bytes", q.usage).
		Uint64("dropped", q.stats.Dropped.Total()).Uint64("refused", q.stats.Refused.Total()).Msg(text)
	return !refused
}

// byValue orders entries by what is dropped first: the lowest score, of equals the oldest.
func byValue(a, b *entry) int {
	return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.created, b.created), byKey(a, b))
}

func byKey(a, b *entry) int { return cmp.Compare(a.key, b.key) }

// heldUsage returns how many bytes are in memory only.
func (q *Queue) heldUsage() (sum int64) {
	for _, e := range q.unsaved {
		if e.state != removed && e.store == nil {
			sum += e.usage
		}
	}
	return sum
}

// trim drops the events that exceed the bounds, for example after the bounds were lowered.
func (q *Queue) trim() {
	if !q.over(0, 0) {
		return
	}
	var candidates []*entry
	for _, e := range q.entries {
		if e.state != inFlight {
			candidates = append(candidates, e)
		}
	}
	slices.SortFunc(candidates, byValue)
	n := 0
	for ; n < len(candidates) && q.over(0, 0); n++ {
		q.drop(candidates[n], full)
	}
	q.log.Warn().Int("dropped", n).Str("reason", string(full)).Int("events", len(q.entries)).
		Int("max_events", q.cfg.MaxEvents).Int("max_mib", q.cfg.MaxMiB).
		Msg("outbox holds more than its bounds allow: the events of the lowest score were dropped")
}

// expire drops what is too old.
func (q *Queue) expire() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Since(q.clock.started) < q.timing.grace {
		return
	}
	oldest := q.clock.now() - q.cfg.MaxAge
	n := 0
	for _, e := range q.entries {
		if e.created < oldest && e.state != inFlight && e.state != pending {
			q.drop(e, expired)
			n++
		}
	}
	if n > 0 {
		q.log.Warn().Int("dropped", n).Str("reason", string(expired)).Str("max_age", q.cfg.MaxAge.String()).
			Msg("events were too old and were dropped")
	}
}

// drop removes an entry that was not delivered, and counts it.
func (q *Queue) drop(e *entry, why reason) {
	if e.accepted {
		q.stats.Dropped.add(why)
	} else {
		q.stats.Refused.add(why)
	}
	q.remove(e)
}
