package publish

import (
	"time"

	"facesieve/publish/outbox"
)

// Stats are counts since Open, those of the outbox since it was opened, and how the connection does.
type Stats struct {
	// Connected says whether the connection stands, Since for how long it has or has not. LastError is why the last
	// attempt failed or the last connection was lost; it holds no credentials.
	Connected bool
	Since     time.Time
	LastError string
	// Hint is the part of LastError that names the fault and the fix; empty if they are unknown.
	Hint string
	// Denied is the topic and the reason if the broker discards messages on an open connection; empty if it does not.
	// Events of such a topic wait in the outbox.
	Denied string
	// Connections counts those made.
	Connections uint64
	// RejectsDropped are reports that were not sent.
	RejectsDropped uint64
	outbox.Stats
}

// Stats returns the present counts.
func (p *Publisher) Stats() Stats {
	p.mu.Lock()
	s := p.stats
	s.Denied = p.denial()
	p.mu.Unlock()
	s.Stats = p.box.Stats()
	return s
}
