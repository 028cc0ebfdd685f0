package publish

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"facesieve/publish/outbox"
)

// Stats are counts since Open, those of the outbox since it was opened, and the state of the connection.
type Stats struct {
	// Connected is true while there is a connection; Since is when that last changed. LastError is why the last attempt
	// failed or the last connection was lost; it contains no credentials.
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
	// RejectsDropped counts reports that were not sent.
	RejectsDropped uint64
	outbox.Stats
}

// Stats returns the present counts.
func (p *Publisher) Stats() Stats {
	p.mu.Lock()
	s := p.stats
	s.Denied = p.deniedText()
	p.mu.Unlock()
	s.Stats = p.outbox.Stats()
	return s
}

// deniedText joins the refusals. The caller holds mu.
func (p *Publisher) deniedText() string {
	if len(p.denied) == 0 {
		return ""
	}
	topics := slices.Sorted(maps.Keys(p.denied))
	text := p.denied[topics[0]]
	if others := len(topics) - 1; others > 0 {
		text += fmt.Sprintf(" (and %d more topics)", others)
	}
	return text
}

// recordConnection records a new connection.
func (p *Publisher) recordConnection() {
	for len(p.rejects) > 0 { // reports of the last connection are out of date
		<-p.rejects
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Connections++
	p.stats.Connected, p.stats.Since = true, time.Now()
	clear(p.denied)
	p.outbox.Connect()
	p.log.Info().Str("broker", p.cfg.address()).Str("root", p.topics.Root()).Msg("connected to the broker")
}

func (p *Publisher) recordDisconnection() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Connected, p.stats.Since = false, time.Now()
	p.outbox.Disconnect()
}

// recordError records why there is no connection. It reports whether that differs from the last reason.
func (p *Publisher) recordError(err error) (changed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed = p.stats.LastError != err.Error() || errors.Is(err, errLost)
	p.stats.LastError, p.stats.Hint = err.Error(), ""
	var e explainedError
	if errors.As(err, &e) {
		p.stats.Hint = e.hint
	}
	return changed
}

// recordDenial records that the broker discards the messages of a topic.
func (p *Publisher) recordDenial(topic string, err error) {
	text := denialText(topic, p.topics.Root(), err)
	p.mu.Lock()
	changed := p.denied[topic] != text
	p.denied[topic] = text
	p.mu.Unlock()
	level := zerolog.DebugLevel
	if changed {
		level = zerolog.ErrorLevel
	}
	p.log.WithLevel(level).Err(err).Str("topic", topic).
		Msg(text + "; the message is sent again later, and events wait in the outbox")
}

// recordAcceptance records that the broker has accepted a message of a topic.
func (p *Publisher) recordAcceptance(topic string) {
	p.mu.Lock()
	_, denied := p.denied[topic]
	delete(p.denied, topic)
	p.mu.Unlock()
	if denied {
		p.log.Info().Str("topic", topic).Msg("the broker accepts this topic again")
	}
}

// pulse is the deadline of the next step of a goroutine, in Unix nanoseconds. The goroutine sets it before every step.
type pulse struct{ deadline atomic.Int64 }

func (p *pulse) promise(within time.Duration) { p.deadline.Store(time.Now().Add(within).UnixNano()) }

// Stuck reports whether the publisher's goroutine hangs: it has missed the deadline of its next step. It keeps its
// deadlines also while there is no broker, or while the broker accepts nothing.
func (p *Publisher) Stuck() bool { return time.Now().UnixNano() > p.pulse.deadline.Load() }
