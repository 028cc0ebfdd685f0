package outbox

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

// Losses are numbers of events that were not delivered, by reason.
type Losses struct {
	// Full: the outbox was full, and the score was the lowest. Expired: too old. Corrupt: damaged in the file. Disk:
	// the disk took nothing, and too many were held in memory.
	Full, Expired, Corrupt, Disk uint64
}

// Total is the sum over all reasons.
func (l Losses) Total() uint64 { return l.Full + l.Expired + l.Corrupt + l.Disk }

// reason is why an event was not delivered, as it is logged.
type reason string

const (
	full    reason = "full"
	expired reason = "expired"
	corrupt reason = "corrupt"
	disk    reason = "disk"
)

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
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Queued, s.Bytes = len(q.entries), q.usage
	for _, e := range q.unsaved {
		if e.accepted || e.state == removed {
			continue
		}
		s.Queued--
		if e.state != pending {
			s.Held++
		}
	}
	return s
}
