package publish

import (
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"facesieve/publish/event"
)

// proof records whether the broker delivers the messages that it acknowledges. An acknowledgement of MQTT 3.1.1 has no
// reason: a broker whose access control forbids the topic acknowledges the message and discards it. So the device
// subscribes to its own status and waits for it to return, if the broker allows that. MQTT 5 needs no proof.
type proof struct {
	requested bool          // the subscription to the status was sent
	wanted    bool          // the status has not returned yet: events wait
	failed    bool          // the status did not return in time
	echo      chan struct{} // the status has returned
	began     time.Time     // when the status was sent
	resendAt  time.Time     // when the status is sent again; zero: never
	retry     *backoff.ExponentialBackOff
}

// checkProof records a proof that is overdue.
func (s *session) checkProof() {
	if !s.proof.wanted || !s.proof.resendAt.IsZero() || time.Since(s.proof.began) < s.p.timing.echo {
		return
	}
	s.proof.failed = true
	s.planResend()
	s.p.recordDenial(s.p.topics.Status(), errDiscarded)
}

// handleEcho records that the status has returned.
func (s *session) handleEcho() {
	s.proof.wanted, s.proof.failed, s.proof.resendAt = false, false, time.Time{}
	s.p.recordAcceptance(s.p.topics.Status())
	s.link.unsubscribe(s.p.topics.Status())
}

// staleTime is how long retained states may arrive after the subscription.
const staleTime = 3 * time.Second

// staleStates is the subscription that finds the states of an earlier run.
type staleStates struct {
	requested bool
	grants    grants    // not yet answered, of this subscription and that of the proof
	until     time.Time // when the subscription ends; zero: there is none
}

// granted is closed when the broker has answered the subscriptions. It is nil if none is open.
func (o *staleStates) granted() <-chan struct{} {
	if o.grants == nil {
		return nil
	}
	return o.grants.Done()
}

// subscribe subscribes to the device's own topics, each once: to its status if the proof needs it, and to its states
// when the cameras are configured.
func (s *session) subscribe() {
	if s.stale.grants != nil {
		return
	}
	filters := map[string]byte{}
	if !s.stale.requested && s.p.states.mayClear() {
		s.stale.requested = true
		filters[s.p.topics.State("+")] = 1
	}
	if !s.link.hasReasons && !s.proof.requested {
		s.proof.requested, s.proof.wanted = true, true
		filters[s.p.topics.Status()] = 1
	}
	if len(filters) > 0 {
		s.stale.grants = s.link.subscribe(filters)
	}
}

// handleSubscription handles the broker's answer to subscribe. If the broker does not allow reading, there is no proof,
// and states of an earlier run are not cleared.
func (s *session) handleSubscription() error {
	granted, err := s.stale.grants.Result(), s.stale.grants.Error()
	s.stale.grants = nil
	if err != nil {
		return errors.Join(errLost, err)
	}
	if granted[s.p.topics.Status()] > 2 {
		s.proof.wanted = false
		s.p.log.Info().Str("topic", s.p.topics.Status()).
			Msg("the broker does not allow reading this topic: whether it discards messages cannot be tested")
	}
	code, requested := granted[s.p.topics.State("+")]
	if requested && code > 2 {
		s.p.log.Info().Str("topic", s.p.topics.State("+")).
			Msg("the broker does not allow reading this topic: states of an earlier run are not cleared")
	} else if requested {
		s.stale.until = time.Now().Add(staleTime)
	}
	return nil
}

// endStaleStates ends the subscription of states after staleTime.
func (s *session) endStaleStates() {
	if s.stale.until.IsZero() || time.Now().Before(s.stale.until) {
		return
	}
	s.stale.until = time.Time{}
	s.link.unsubscribe(s.p.topics.State("+"))
}

// receive is called, on a goroutine of the client, for each message that arrives.
func (s *session) receive(topic string, retained bool, payload []byte) {
	if topic == s.p.topics.Status() {
		if !retained && event.Status(payload) == event.Online {
			select {
			case s.proof.echo <- struct{}{}:
			default:
			}
		}
		return
	}
	root, camera, kind := event.ParseTopic(topic)
	if retained && len(payload) > 0 && kind == event.KindState && root == s.p.topics.Root() &&
		s.p.states.recordRetained(camera) {
		s.p.log.Info().Str("camera", camera).Msg("clearing the retained state of a camera that is not configured")
		s.p.wakeSession()
	}
}
