package publish

import (
	"time"

	"github.com/cenkalti/backoff/v5"
)

// proof records whether the broker delivers the messages that it acknowledges. An acknowledgement of MQTT 3.1.1 has no
// reason: a broker whose access control forbids the topic acknowledges the message and discards it. So the device
// subscribes to its own status and waits for it to return, if the broker allows that. MQTT 5 needs no proof.
type proof struct {
	wanted   bool          // the status has not returned yet: events wait
	failed   bool          // the status did not return in time
	echo     chan struct{} // the status has returned
	began    time.Time     // when the status was sent
	resendAt time.Time     // when the status is sent again; zero: never
	retry    *backoff.ExponentialBackOff
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
