package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"facesieve/publish/event"
)

var errNoAck = errors.New("the broker acknowledges nothing")

// session serves one connection.
type session struct {
	p             *Publisher
	link          *link
	proof         proof
	subscriptions subscriptions

	notices    []notice  // not acknowledged, in the order of sending
	lastNotice time.Time // when a notice was acknowledged

	inflight []*flight                              // not acknowledged, in the order of sending
	held     map[string]*backoff.ExponentialBackOff // cameras whose events the broker refuses
	lastAck  time.Time                              // of an event, or when the first of the window was sent

	progress     bool // an event was acknowledged
	acknowledges bool // anything was acknowledged, an event or not
}

func newSession(p *Publisher) *session {
	return &session{
		p: p, held: map[string]*backoff.ExponentialBackOff{}, proof: proof{echo: make(chan struct{}, 1)},
		subscriptions: subscriptions{requested: map[string]bool{}},
	}
}

// begin publishes that the device is online. It is the first message, so that it is never newer than the last will.
func (s *session) begin() error {
	s.p.states.resetSent()
	s.p.documents.resetSent()
	s.subscribe()
	return s.sendOnline()
}

// run sends messages until the connection is lost, or until all are sent after Close: then it returns nil.
func (s *session) run() error {
	tick := time.NewTicker(s.p.timing.states)
	defer tick.Stop()
	for {
		s.p.pulse.promise(s.p.timing.states + s.p.timing.step)
		s.subscribe()
		s.sendDocuments()
		s.sendStates(false)
		retryIn := s.fillWindow()
		if s.p.isClosing() && (s.p.outbox.Pending() == 0 || s.proof.failed) {
			return nil
		}
		if err := s.wait(retryIn, tick.C); err != nil {
			return err
		}
	}
}

// wait waits until run has something to do, and handles what concerns one message alone.
func (s *session) wait(retryIn time.Duration, tick <-chan time.Time) error {
	select {
	case <-s.link.lost:
		return s.link.err
	case <-s.p.ctx.Done():
		return context.Cause(s.p.ctx)
	case <-s.oldestFlight():
		return s.handleEventAck()
	case <-s.oldestNotice():
		return s.handleNoticeAck()
	case <-s.subscriptions.granted():
		return s.handleSubscription()
	case <-s.proof.echo:
		s.handleEcho()
	case <-s.timer(retryIn):
		return s.checkAcks()
	case <-tick:
		s.sendStates(true)
		return s.resendStatus()
	case m := <-s.p.rejects:
		s.sendReport(m)
	case <-s.p.wake:
	case <-s.p.outbox.Ready():
	}
	return nil
}

// timer ends after retryIn (0: never), or when the broker's next acknowledgement is overdue.
func (s *session) timer(retryIn time.Duration) <-chan time.Time {
	if since, waiting := s.waitingSince(); waiting {
		overdue := max(time.Until(since.Add(s.p.timing.ack)), time.Millisecond)
		if retryIn == 0 || overdue < retryIn {
			retryIn = overdue
		}
	}
	if retryIn == 0 {
		return nil
	}
	return time.After(retryIn)
}

// waitingSince returns since when the broker has acknowledged nothing although something was sent.
func (s *session) waitingSince() (since time.Time, waiting bool) {
	switch {
	case len(s.inflight) > 0:
		return s.lastAck, true
	case len(s.notices) > 0:
		since = s.notices[0].at
		if s.lastNotice.After(since) {
			since = s.lastNotice
		}
		return since, true
	}
	return time.Time{}, false
}

// checkAcks returns an error if an acknowledgement is overdue.
func (s *session) checkAcks() error {
	if since, waiting := s.waitingSince(); !waiting || time.Since(since) < s.p.timing.ack {
		return nil
	}
	return fmt.Errorf("%w: %w for %v", errLost, errNoAck, s.p.timing.ack)
}

// message is what is published on the topic of a kind and a camera.
type message struct {
	kind    event.Kind
	camera  string
	payload []byte
}

// sent is a message that the link has accepted.
type sent struct {
	topic string
	token token
	at    time.Time
}

// send hands a message to the link.
func (s *session) send(m message) (sent, error) {
	return s.sendTo(s.p.topics.Of(m.kind, m.camera), m.kind.QoS(), m.kind.Retained(), m.payload)
}

func (s *session) sendTo(topic string, qos byte, retained bool, payload []byte) (sent, error) {
	token, err := s.link.publish(topic, qos, retained, payload)
	return sent{topic, token, time.Now()}, err
}

// sendReport sends a report, or the answer to a command, which the broker acknowledges.
func (s *session) sendReport(m message) {
	if m.kind == event.KindResult {
		if err := s.notify(m, nil); err != nil {
			s.p.log.Warn().Err(err).Str("camera", m.camera).Msg("the answer to a command was not sent")
		}
		return
	}
	if _, err := s.send(m); err != nil {
		s.p.mu.Lock()
		s.p.stats.RejectsDropped++
		s.p.mu.Unlock()
	}
}

// recordAnswer records the broker's answer to a message. refused is true if the broker refuses the message and keeps
// the connection open; err is the end of the connection.
func (s *session) recordAnswer(m sent) (refused bool, err error) {
	answer := m.token.Error()
	if answer == nil {
		s.acknowledges = true
		s.p.recordAcceptance(m.topic)
		return false, nil
	}
	reason, refused := refusedMessage(answer)
	if !refused {
		return false, fmt.Errorf("%w: %w", errLost, answer)
	}
	s.p.recordDenial(m.topic, reason)
	return true, nil
}
