package outbox

import (
	"slices"
	"time"
)

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
	// Latencies are those of the delivered events that were sent at once; replayed ones are left out.
	Latencies Latencies
}

// latencyBounds is the number of LatencyBounds.
const latencyBounds = 12

// LatencyBounds are the upper bounds of the buckets of Latencies.
func LatencyBounds() [latencyBounds]time.Duration {
	return [latencyBounds]time.Duration{
		5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
		250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second,
		10 * time.Second, 30 * time.Second,
	}
}

// Latencies are a histogram of the time from Add until the broker has acknowledged the event.
type Latencies struct {
	Counts [latencyBounds + 1]uint64 // events by the least bound that is not below; the last: above all bounds
	Sum    time.Duration
}

func (l *Latencies) add(took time.Duration) {
	bounds := LatencyBounds()
	at, _ := slices.BinarySearch(bounds[:], took)
	l.Counts[at]++
	l.Sum += took
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
