package publish

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/eclipse/paho.golang/packets"
	"github.com/rs/zerolog"
)

const (
	stable       = 30 * time.Second // a connection that lasts so long is no failed attempt
	maxEvictions = 3                // consecutive connections that a broker must end before a cause is reported
	repeatLog    = time.Minute      // the same failure is a warning again after this
)

// newBackOff returns waits that double from first to longest. Each is shortened by up to a half at random, so that a
// hundred cameras do not connect to their broker in the same second.
func newBackOff(first, longest time.Duration) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.Multiplier, b.RandomizationFactor = 2, 1./3 // of 3/4: from 1/2 to 1
	b.InitialInterval, b.MaxInterval = first*3/4, longest*3/4
	return b
}

// run makes connections one after the other until Close.
func (p *Publisher) run() {
	defer close(p.done)
	retry := newBackOff(p.timing.retryMin, p.timing.retryMax)
	var lastWarning time.Time
	for {
		last := p.isClosing() // this is the last attempt
		started := time.Now()
		progress, err := p.serveConnection()
		if err == nil || last || p.ctx.Err() != nil {
			return
		}
		err = p.explainEviction(err, time.Since(started))
		if p.evictions < maxEvictions && (progress || time.Since(started) > stable) {
			retry.Reset()
		}
		wait := retry.NextBackOff()
		level := zerolog.DebugLevel
		if p.recordError(err) || time.Since(lastWarning) > repeatLog {
			level, lastWarning = zerolog.WarnLevel, time.Now()
		}
		p.log.WithLevel(level).Err(err).Stringer("retry_in", wait.Round(100*time.Millisecond)).
			Int("queued", p.Stats().Queued).Msg("no connection to the broker")
		if !p.pause(wait) {
			return
		}
	}
}

// serveConnection makes one connection and serves it until it ends. It returns nil when Close was called and everything
// is sent. progress is true if the broker acknowledged an event.
func (p *Publisher) serveConnection() (progress bool, err error) {
	p.pulse.promise(connectTimeout + p.timing.step)
	s := newSession(p)
	id := identity{
		clientID: p.cfg.ClientName(), sends: true, will: p.topics.Status(), receive: s.receive, memory: &p.broker,
	}
	l, err := connect(p.ctx, p.cfg, id)
	if err != nil {
		return false, err
	}
	s.link = l
	p.recordConnection()
	if err = s.begin(); err == nil {
		err = s.run()
	}
	p.acknowledged = s.acknowledges
	if err != nil && p.ctx.Err() == nil && len(s.inflight) > 0 {
		p.recordFailure(s.inflight[0])
	}
	p.recordDisconnection()
	if err != nil {
		l.abort()
		return s.progress, err
	}
	s.goOffline()
	return true, nil
}

// recordFailure counts a lost connection for the oldest event that was in flight.
func (p *Publisher) recordFailure(f *flight) {
	if p.outbox.RecordFailure(f.key) {
		p.log.Warn().Uint64("entry", f.key).
			Msg("the connection ended each time this event was sent: it is sent after the others")
	}
}

// explainEviction detects that a broker repeatedly ends connections that it has accepted. Many brokers report only in
// this way that another client has taken the client id or, if they have acknowledged nothing, that a topic is
// forbidden.
func (p *Publisher) explainEviction(err error, lasted time.Duration) error {
	if !errors.Is(err, errLost) || !hungUp(err) || lasted > repeatLog {
		p.evictions = 0
		return err
	}
	if p.evictions++; p.evictions < maxEvictions {
		return err
	}
	hint := reasonHint(packets.DisconnectSessionTakenOver, p.cfg.ClientName()).text
	if !p.acknowledged {
		forbidden := reasonError{code: packets.PubackNotAuthorized}
		hint = "the broker ends each connection at the first message: " +
			denialText(p.topics.Status(), p.topics.Root(), forbidden)
	}
	return fmt.Errorf("%w: %w", errLost, explained(hint, io.EOF))
}

// pause waits before the next attempt and reports whether there should be one. Close ends the wait; then there is a
// last attempt if the outbox is not empty.
func (p *Publisher) pause(d time.Duration) bool {
	p.pulse.promise(d + p.timing.step)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.closing:
		return p.outbox.Pending() > 0
	case <-p.ctx.Done():
		return false
	}
}

func (p *Publisher) isClosing() bool {
	select {
	case <-p.closing:
		return true
	default:
		return false
	}
}
