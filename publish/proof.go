package publish

import (
	"errors"
	"time"
)

// proof is whether the broker passes on what it acknowledges. An acknowledgement of MQTT 3.1.1 has no reason: a broker whose
// access control forbids the topic acknowledges all the same, and discards the message. So the device subscribes its own
// status and waits for it to return, where the broker allows that. MQTT 5 needs no proof.
type proof struct {
	asked  bool          // to read the status
	wanted bool          // it has not returned
	failed bool          // the status did not return in time
	echo   chan struct{} // the status has returned
	began  time.Time     // when the status was sent
	again  time.Time     // when it is sent again; zero: not
	retry  backoff
}

// pending reports that events have to wait for the proof.
func (p *proof) pending() bool { return p.wanted }

// plan sets the time of the next attempt.
func (p *proof) plan(t timing) {
	if p.retry.max == 0 {
		p.retry = backoff{min: t.holdMin, max: t.holdMax}
	}
	p.again = time.Now().Add(p.retry.wait())
}

var errDiscarded = errors.New("the broker acknowledges and discards: no message has returned to this device, its sender")

// doubt finds that the proof is overdue.
func (s *session) doubt() {
	if !s.proof.wanted || !s.proof.again.IsZero() || time.Since(s.proof.began) < s.p.timing.echo {
		return
	}
	s.proof.failed = true
	s.proof.plan(s.p.timing)
	s.p.denies(s.p.topics.Status(), errDiscarded)
}

// proved notes that the status has returned.
func (s *session) proved() {
	s.proof.wanted, s.proof.failed, s.proof.again = false, false, time.Time{}
	s.p.accepts(s.p.topics.Status())
	s.link.unsubscribe(s.p.topics.Status())
}

// staleTime is how long retained states may arrive after the subscription.
const staleTime = 3 * time.Second

// stale is the subscription with which the states are found that an earlier run has left behind.
type stale struct {
	asked  bool
	grants grants    // not yet answered
	until  time.Time // when the subscription ends; zero: there is none
}

func (o *stale) done() <-chan struct{} {
	if o.grants == nil {
		return nil
	}
	return o.grants.Done()
}

// listen subscribes what the device reads of its own topics: once its status where that is the proof, and its states once
// the cameras are known.
func (s *session) listen() {
	filters := map[string]byte{}
	if s.old.grants != nil {
		return
	}
	if !s.old.asked && s.p.states.cleanable() {
		s.old.asked = true
		filters[s.p.topics.State("+")] = 1
	}
	if !s.link.acknowledges && !s.proof.asked {
		s.proof.asked, s.proof.wanted = true, true
		filters[s.p.topics.Status()] = 1
	}
	if len(filters) > 0 {
		s.old.grants = s.link.subscribe(filters)
	}
}

// subscribed takes the broker's answer to listen. Where it allows no reading, there is no proof, and what an earlier run has
// left stays.
func (s *session) subscribed() error {
	granted, err := s.old.grants.Result(), s.old.grants.Error()
	s.old.grants = nil
	if err != nil {
		return errors.Join(errLost, err)
	}
	if granted[s.p.topics.Status()] > 2 {
		s.proof.wanted = false
		s.p.log.Info().Str("topic", s.p.topics.Status()).
			Msg("the broker does not allow to read this topic: whether it discards messages cannot be tested")
	}
	code, asked := granted[s.p.topics.State("+")]
	if asked && code > 2 {
		s.p.log.Info().Str("topic", s.p.topics.State("+")).
			Msg("the broker does not allow to read this topic: states of cameras that an earlier run had are not cleared")
	} else if asked {
		s.old.until = time.Now().Add(staleTime)
	}
	return nil
}

// overheard ends the subscription of states when it is time.
func (s *session) overheard() {
	if s.old.until.IsZero() || time.Now().Before(s.old.until) {
		return
	}
	s.old.until = time.Time{}
	s.link.unsubscribe(s.p.topics.State("+"))
}

// receive is called, on a goroutine of the client, for each message that arrives.
func (s *session) receive(topic string, retained bool, payload []byte) {
	if topic == s.p.topics.Status() {
		if !retained && string(payload) == Online {
			select {
			case s.proof.echo <- struct{}{}:
			default:
			}
		}
		return
	}
	root, camera, kind := splitTopic(topic)
	if retained && len(payload) > 0 && kind == kindState && root == s.p.topics.Root() && s.p.states.found(camera) {
		s.p.log.Info().Str("camera", camera).Msg("clearing the retained state of a camera that is not configured")
		s.p.poke()
	}
}
