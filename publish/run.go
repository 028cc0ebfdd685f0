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
	stable    = 30 * time.Second // a connection that lasts so long is no failed attempt
	evictions = 3                // consecutive connections that a broker must end before a cause is reported
	repeatLog = time.Minute      // the same failure is a warning again after this
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
		progress, err := p.connection()
		if err == nil || last || p.ctx.Err() != nil {
			return
		}
		err = p.evicted(err, time.Since(started))
		if p.evictions < evictions && (progress || time.Since(started) > stable) {
			retry.Reset()
		}
		wait := retry.NextBackOff()
		level := zerolog.DebugLevel
		if p.failed(err) || time.Since(lastWarning) > repeatLog {
			level, lastWarning = zerolog.WarnLevel, time.Now()
		}
		p.log.WithLevel(level).Err(err).Stringer("retry_in", wait.Round(100*time.Millisecond)).
			Int("queued", p.Stats().Queued).Msg("no connection to the broker")
		if !p.pause(wait) {
			return
		}
	}
}

// connection makes one connection and serves it until it ends, with nil when all is done. It says whether the broker
// acknowledged anything.
func (p *Publisher) connection() (progress bool, err error) {
	p.pulse.promise(connectTimeout + p.timing.step)
	s := newSession(p)
	who := identity{
		clientID: p.cfg.ClientName(), sends: true, will: p.topics.Status(), receive: s.receive, memory: &p.broker,
	}
	l, err := connect(p.ctx, p.cfg, who)
	if err != nil {
		return false, err
	}
	s.link = l
	p.up()
	if err = s.begin(); err == nil {
		err = s.run()
	}
	p.acknowledged = s.acknowledges
	if err != nil && p.ctx.Err() == nil && len(s.inflight) > 0 {
		p.blame(s.inflight[0])
	}
	p.down()
	if err != nil {
		l.abort()
		return s.progress, err
	}
	s.farewell()
	return true, nil
}

// evicted detects that a broker repeatedly ends connections that it has accepted at the first attempt. Many brokers
// report only in this way that another client has taken the client id or, if they have acknowledged nothing, that a
// topic is forbidden.
func (p *Publisher) evicted(err error, lasted time.Duration) error {
	if !errors.Is(err, errLost) || !hungUp(err) || lasted > repeatLog {
		p.evictions = 0
		return err
	}
	if p.evictions++; p.evictions < evictions {
		return err
	}
	if !p.acknowledged {
		forbidden := reasonError{code: packets.PubackNotAuthorized}
		hint := "the broker ends each connection at the first message: " +
			denialText(p.topics.Status(), p.topics.Root(), forbidden)
		return fmt.Errorf("%w: %w", errLost, explained(hint, io.EOF))
	}
	return fmt.Errorf("%w: %w", errLost,
		explained(busyHint(packets.DisconnectSessionTakenOver, p.cfg.ClientName()), io.EOF))
}

// blame counts a lost connection against the oldest event that was in flight.
func (p *Publisher) blame(f *flight) {
	if p.box.RecordFailure(f.key) {
		p.log.Warn().Uint64("entry", f.key).Msg("connection ended each time this event was sent: it goes behind the others")
	}
}

// pause waits before the next attempt and says whether there should be one. Close cuts it short, for a last attempt if
// there is something to send.
func (p *Publisher) pause(d time.Duration) bool {
	p.pulse.promise(d + p.timing.step)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.closing:
		return p.box.Pending() > 0
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

// up notes a new connection.
func (p *Publisher) up() {
	for len(p.rejects) > 0 { // reports left by the last one are stale
		<-p.rejects
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Connections++
	p.stats.Connected, p.stats.Since = true, time.Now()
	clear(p.denied)
	p.box.Connect()
	p.log.Info().Str("broker", p.cfg.address()).Str("root", p.topics.Root()).Msg("connected to the broker")
}

func (p *Publisher) down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Connected, p.stats.Since = false, time.Now()
	p.box.Disconnect()
}

// failed notes why there is no connection and says whether that is news.
func (p *Publisher) failed(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	news := p.stats.LastError != err.Error() || errors.Is(err, errLost)
	p.stats.LastError, p.stats.Hint = err.Error(), ""
	var e explainedError
	if errors.As(err, &e) {
		p.stats.Hint = e.hint
	}
	return news
}
