package publish

import "time"

// Stats are counts since Open and how the connection does.
type Stats struct {
	// Connected says whether the connection stands, Since for how long it has or has not. LastError is why the last
	// attempt failed or the last connection was lost; it holds no credentials.
	Connected bool
	Since     time.Time
	LastError string
	// Connections counts those made.
	Connections uint64
	// Accepted events were taken by Publish, Delivered acknowledged by the broker; Queued are in between.
	Accepted, Delivered uint64
	Queued              int
	// Dropped events were refused because the queue was full, RejectsDropped are reports that were not sent.
	Dropped, RejectsDropped uint64
}

// Stats returns the present counts.
func (p *Publisher) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Queued = int(s.Accepted - s.Delivered) //nolint:gosec // at most the length of the queue
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
