package publish

import (
	"context"
	"fmt"
	"time"

	"facesieve/publish/event"
)

// notice is a status or a state that the broker has not acknowledged.
type notice struct {
	topic string
	token token
	done  func() // called when it is accepted; may be nil
	sent  time.Time
}

// notify sends a status or a state.
func (s *session) notify(m message, done func()) error {
	token, err := s.send(m)
	if err == nil {
		s.notices = append(s.notices, notice{s.p.topics.Of(m.kind, m.camera), token, done, time.Now()})
	}
	return err
}

func (s *session) notifyStatus(status event.Status) error {
	return s.notify(message{kind: event.KindStatus, payload: []byte(status)}, nil)
}

// announce publishes that the device is online.
func (s *session) announce() error {
	s.proof.began = time.Now()
	return s.notifyStatus(event.Online)
}

// oldestNotice is closed when the oldest notice is acknowledged or has failed. It is nil if there is none.
func (s *session) oldestNotice() <-chan struct{} {
	if len(s.notices) == 0 {
		return nil
	}
	return s.notices[0].token.Done()
}

// noticeAnswered handles the acknowledgement of the oldest notice.
func (s *session) noticeAnswered() error {
	n := s.notices[0]
	s.notices, s.heard = s.notices[1:], time.Now()
	switch err := n.token.Error(); {
	case err == nil:
		s.acknowledges = true
		s.p.recordAcceptance(n.topic)
		if n.done != nil {
			n.done()
		}
	case s.refused(n.topic, err):
		s.proof.plan(s.p.timing)
	default:
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return nil
}

// resendNotices sends status and states again when that is due, because the broker has refused or discarded them.
func (s *session) resendNotices() error {
	s.overheard()
	s.doubt()
	if s.proof.resendAt.IsZero() || time.Now().Before(s.proof.resendAt) {
		return nil
	}
	s.proof.resendAt = time.Time{}
	s.p.states.forgetSent()
	return s.announce()
}

// drained reports that Close was called and nothing is left to send that the broker would accept.
func (s *session) drained() bool {
	return s.p.isClosing() && (s.p.outbox.Pending() == 0 || s.proof.failed)
}

// goOffline publishes that the cameras have stopped and the device is offline, and disconnects. If the root is given up,
// its topics are cleared instead. If the broker does not acknowledge that in time, the connection is dropped, and the
// broker publishes the last will.
func (s *session) goOffline() {
	if s.p.leaving.Load() {
		s.p.states.removeAll()
	}
	for _, camera := range s.p.states.cameras() {
		s.p.states.set(event.State{
			Schema: event.Version, Device: s.p.cfg.Device, Camera: camera, State: event.Stopped, Since: time.Now(),
		})
	}
	s.sendStates(true)
	err := s.notifyStatus(event.Offline)
	if err == nil && s.p.leaving.Load() {
		err = s.notifyStatus("")
	}
	if err == nil {
		err = s.settle()
	}
	if err != nil {
		s.p.log.Warn().Err(err).Msg("the broker has not acknowledged that the device goes offline")
		s.link.abort()
		return
	}
	s.link.close()
}

// settle waits for the acknowledgements of all notices; a refusal counts as one.
func (s *session) settle() error {
	ctx, cancel := context.WithTimeoutCause(s.p.ctx, s.p.timing.ack, errNoAck)
	defer cancel()
	for _, n := range s.notices {
		err := s.link.wait(ctx, n.token)
		if _, refused := refusedMessage(err); err != nil && !refused {
			return err
		}
	}
	return nil
}
