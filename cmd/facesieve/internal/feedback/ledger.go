package feedback

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

const (
	// keepEvents is how long an event can be reported about.
	keepEvents = 24 * time.Hour
	mostEvents = 5000 // of a camera; the oldest are forgotten
)

// sentEvent is an event about which a recogniser may report.
type sentEvent struct {
	ID    string    `json:"id"`
	At    time.Time `json:"at"`
	Score float64   `json:"score"`
	// Reports has the outcome by recogniser.
	Reports map[string]string `json:"reports,omitempty"`
}

// ledger holds the events of one camera in the order in which they were sent.
type ledger struct {
	events []*sentEvent
	byID   map[string]*sentEvent
}

func newLedger(events []*sentEvent) *ledger {
	l := &ledger{byID: map[string]*sentEvent{}}
	for _, e := range events {
		l.add(e)
	}
	return l
}

func (l *ledger) add(e *sentEvent) {
	if l.byID[e.ID] != nil {
		return
	}
	if len(l.events) == mostEvents {
		l.forget(1)
	}
	l.events = append(l.events, e)
	l.byID[e.ID] = e
}

// forget removes the n oldest events.
func (l *ledger) forget(n int) {
	for _, e := range l.events[:n] {
		delete(l.byID, e.ID)
	}
	l.events = slices.Delete(l.events, 0, n)
}

// expire forgets the events that are older than keepEvents.
func (l *ledger) expire(now time.Time) {
	n := 0
	for n < len(l.events) && now.Sub(l.events[n].At) > keepEvents {
		n++
	}
	l.forget(n)
}

// late reports whether an event is older than keepEvents by the time in its id.
func late(id string, now time.Time) bool {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return false
	}
	seconds, nanoseconds := parsed.Time().UnixTime()
	return now.Sub(time.Unix(seconds, nanoseconds)) > keepEvents
}
