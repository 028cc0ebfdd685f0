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
	p        *Publisher
	link     *link
	notices  []notice                               // not acknowledged status and states, in the order of sending
	held     map[string]*backoff.ExponentialBackOff // cameras whose events the broker refuses
	proof    proof
	old      stale
	inflight []*flight // in the order in which they were sent
	moved    time.Time // when an acknowledgement came last, or the first of the window was sent
	progress bool      // whether any came
	heard    time.Time // when a notice was acknowledged last
	// acknowledges is true if anything was acknowledged, an event or not.
	acknowledges bool
}

// flight is an event that the broker has not acknowledged.
type flight struct {
	key    uint64
	camera string
	face   bool      // the event itself is acknowledged, only the plain image is left
	rest   []message // not yet handed over
	tokens []token   // not yet acknowledged, in their order
}

func newSession(p *Publisher) *session {
	return &session{
		p: p, held: map[string]*backoff.ExponentialBackOff{}, proof: proof{echo: make(chan struct{}, 1)},
	}
}

// begin publishes that the device is online. It is the first message, so that it is never newer than the last will.
func (s *session) begin() error {
	s.p.states.forgetSent()
	s.listen()
	return s.announce()
}

// run sends what there is until the connection is lost, or everything was sent after Close: then it returns nil.
func (s *session) run() error {
	tick := time.NewTicker(s.p.timing.states)
	defer tick.Stop()
	for {
		s.p.pulse.promise(s.p.timing.states + s.p.timing.step)
		s.listen()
		s.sendStates(false)
		again := s.fill()
		if s.drained() {
			return nil
		}
		if err := s.wait(again, tick.C); err != nil {
			return err
		}
	}
}

// wait waits until there is something to do, and does what concerns one message alone.
func (s *session) wait(again time.Duration, tick <-chan time.Time) error {
	select {
	case <-s.link.lost:
		return s.link.err
	case <-s.p.ctx.Done():
		return context.Cause(s.p.ctx)
	case <-s.oldest():
		return s.acknowledged()
	case <-s.oldestNotice():
		return s.noticeAnswered()
	case <-s.old.done():
		return s.subscribed()
	case <-s.proof.echo:
		s.proved()
	case <-s.patience(again):
		return s.overdue()
	case <-tick:
		s.sendStates(true)
		return s.resendNotices()
	case m := <-s.p.rejects:
		s.sendReject(m)
	case <-s.p.wake:
	case <-s.p.outbox.Ready():
	}
	return nil
}

// fill sends events until the window is full. It says after what time to try again, 0 for only when something happens.
func (s *session) fill() time.Duration {
	if s.proof.pending() {
		return 0
	}
	for {
		if n := len(s.inflight); n > 0 && !s.hand(s.inflight[n-1]) {
			return handover
		}
		if len(s.inflight) == window {
			return 0
		}
		item, again, ok := s.p.outbox.Next(s.p.isClosing())
		if !ok {
			return again
		}
		messages, err := s.p.messages(item)
		if err != nil {
			s.p.log.Error().Err(err).Str("camera", item.Camera).Msg("an event in the outbox is damaged and is dropped")
			s.p.outbox.Discard(item.Key)
			continue
		}
		if len(s.inflight) == 0 {
			s.moved = time.Now()
		}
		s.inflight = append(s.inflight, &flight{key: item.Key, camera: item.Camera, rest: messages})
	}
}

// hand gives the link what it has not got of an event, and says whether it took all.
func (s *session) hand(f *flight) bool {
	for len(f.rest) > 0 {
		token, err := s.send(f.rest[0])
		if err != nil {
			return false
		}
		f.rest, f.tokens = f.rest[1:], append(f.tokens, token)
	}
	return true
}

// oldest ends when the oldest message in flight is acknowledged or has failed; never when there is none.
func (s *session) oldest() <-chan struct{} {
	if len(s.inflight) == 0 || len(s.inflight[0].tokens) == 0 {
		return nil
	}
	return s.inflight[0].tokens[0].Done()
}

// acknowledged removes the oldest message, and its event with the last of them, the one place where that happens.
func (s *session) acknowledged() error {
	f := s.inflight[0]
	topic := s.p.topics.Face(f.camera)
	if f.face {
		topic = s.p.topics.JPEG(f.camera)
	}
	switch err := f.tokens[0].Error(); {
	case err == nil:
		s.acknowledges = true
		s.p.recordAcceptance(topic)
	case !s.refused(topic, err):
		return fmt.Errorf("%w: %w", errLost, err)
	case !f.face:
		s.requeue(f, err)
		return nil
	}
	if !f.face {
		f.face = true
		delete(s.held, f.camera)
	}
	f.tokens = f.tokens[1:]
	s.progress, s.moved = true, time.Now()
	if len(f.tokens)+len(f.rest) == 0 {
		s.p.outbox.Done(f.key)
		s.inflight = s.inflight[1:]
	}
	return nil
}

// patience ends when it is time to try again, or to ask whether the broker is overdue.
func (s *session) patience(again time.Duration) <-chan time.Time {
	if since, waiting := s.waitingSince(); waiting {
		overdue := max(time.Until(since.Add(s.p.timing.ack)), time.Millisecond)
		if again == 0 || overdue < again {
			again = overdue
		}
	}
	if again == 0 {
		return nil
	}
	return time.After(again)
}

// waitingSince returns since when the broker has acknowledged nothing although something was sent.
func (s *session) waitingSince() (since time.Time, waiting bool) {
	switch {
	case len(s.inflight) > 0:
		return s.moved, true
	case len(s.notices) > 0:
		since = s.notices[0].sent
		if s.heard.After(since) {
			since = s.heard
		}
		return since, true
	}
	return time.Time{}, false
}

func (s *session) overdue() error {
	if since, waiting := s.waitingSince(); !waiting || time.Since(since) < s.p.timing.ack {
		return nil
	}
	return fmt.Errorf("%w: %w for %v", errLost, errNoAck, s.p.timing.ack)
}

// sendStates sends the states that are due; what the link does not take stays due.
func (s *session) sendStates(all bool) {
	for _, state := range s.p.states.due(all) {
		payload, err := event.EncodeState(state)
		if err != nil {
			s.p.log.Error().Err(err).Msg("state of a camera")
			continue
		}
		if s.notify(message{event.KindState, state.Camera, payload}, nil) != nil {
			return
		}
		s.p.states.recordSent(state)
	}
	for _, camera := range s.p.states.removed() {
		if s.notify(message{event.KindState, camera, nil}, func() { s.p.states.recordCleared(camera) }) != nil {
			return
		}
		s.p.states.recordClearing(camera)
	}
}

func (s *session) sendReject(m message) {
	if _, err := s.send(m); err != nil {
		s.p.mu.Lock()
		s.p.stats.RejectsDropped++
		s.p.mu.Unlock()
	}
}

// refused reports whether err is the broker's refusal of one message, and records it. The connection stays open.
func (s *session) refused(topic string, err error) bool {
	reason, ok := refusedMessage(err)
	if ok {
		s.p.recordDenial(topic, reason)
	}
	return ok
}

// requeue returns a refused event to the outbox. If the topic was refused, all events of the camera wait. If the message
// was refused, only this event waits.
func (s *session) requeue(f *flight, err error) {
	s.inflight = s.inflight[1:]
	s.progress, s.moved = true, time.Now()
	retry := s.held[f.camera]
	if retry == nil {
		retry = newBackOff(s.p.timing.holdMin, s.p.timing.holdMax)
		s.held[f.camera] = retry
	}
	reason, _ := refusedMessage(err)
	s.p.outbox.Requeue(f.key, retry.NextBackOff(), !reason.ofMessage())
}
