package outbox

import "time"

// Stats are counts since Open. See the package comment for what they add up to.
type Stats struct {
	// Restored counts events that were in the file at the start, or in another file that was found or opened later.
	// Accepted counts events that were added, Delivered those that the broker acknowledged. Queued are waiting, and use
	// Bytes of the store.
	Restored, Accepted, Delivered uint64
	Queued                        int
	Bytes                         int64
	// Held events are in memory only, because the disk does not take them. They are not accepted yet.
	Held int
	// Dropped events had been accepted, Refused ones never were.
	Dropped, Refused Losses
}

// Losses are events that went without being delivered, by reason.
type Losses struct {
	// Full: the box was, and the score the lowest. Expired: too old. Corrupt: damaged in the file. Disk: the disk took
	// nothing, and too many were held in memory.
	Full, Expired, Corrupt, Disk uint64
}

// Total is the sum over all reasons.
func (l Losses) Total() uint64 { return l.Full + l.Expired + l.Corrupt + l.Disk }

type reason int

const (
	full reason = iota
	expired
	corrupt
	disk
)

// String returns the reason as it is logged.
func (r reason) String() string { return [...]string{"full", "expired", "corrupt", "disk"}[r] }

func (l *Losses) add(r reason) {
	switch r {
	case full:
		l.Full++
	case expired:
		l.Expired++
	case corrupt:
		l.Corrupt++
	case disk:
		l.Disk++
	}
}

// Stats returns the present counts.
func (b *Box) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Queued, s.Bytes = len(b.entries), b.bytes
	for _, e := range b.unsaved {
		if e.counted || e.place == gone {
			continue
		}
		s.Queued--
		if e.place != pending {
			s.Held++
		}
	}
	return s
}

// limiter lets a log line through once a second.
type limiter struct{ last time.Time }

func (l *limiter) allow(now time.Time) bool {
	if now.Sub(l.last) < time.Second {
		return false
	}
	l.last = now
	return true
}
