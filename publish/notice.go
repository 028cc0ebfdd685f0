package publish

import (
	"context"
	"time"

	"facesieve/publish/event"
)

// notice is a message other than an event that the broker has not acknowledged.
type notice struct {
	sent
	done func() // called when it is accepted; may be nil
}

// notify sends a status or a state.
func (s *session) notify(m message, done func()) error {
	accepted, err := s.send(m)
	if err == nil {
		s.notices = append(s.notices, notice{accepted, done})
	}
	return err
}

func (s *session) notifyStatus(status event.Status) error {
	return s.notify(message{kind: event.KindStatus, payload: []byte(status)}, nil)
}

func (s *session) sendOnline() error {
	s.proof.began = time.Now()
	return s.notifyStatus(event.Online)
}

// sendStates sends the states that are due. Those that the link does not accept stay due.
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

// oldestNotice is closed when the oldest notice is acknowledged or has failed. It is nil if there is none.
func (s *session) oldestNotice() <-chan struct{} {
	if len(s.notices) == 0 {
		return nil
	}
	return s.notices[0].token.Done()
}

// handleNoticeAck removes the oldest notice.
func (s *session) handleNoticeAck() error {
	n := s.notices[0]
	s.notices, s.lastNotice = s.notices[1:], time.Now()
	refused, err := s.recordAnswer(n.sent)
	switch {
	case refused:
		s.planResend()
	case err == nil && n.done != nil:
		n.done()
	}
	return err
}

// planResend sets when the status, all states and documents are sent again.
func (s *session) planResend() {
	if s.proof.retry == nil {
		s.proof.retry = newBackOff(s.p.timing.holdMin, s.p.timing.holdMax)
	}
	s.proof.resendAt = time.Now().Add(s.proof.retry.NextBackOff())
}

// resendStatus sends the status, all states and documents again if the broker has refused or discarded one, when that is
// due.
func (s *session) resendStatus() error {
	s.endStale()
	s.p.documents.renewDue(time.Now())
	s.checkProof()
	if s.proof.resendAt.IsZero() || time.Now().Before(s.proof.resendAt) {
		return nil
	}
	s.proof.resendAt = time.Time{}
	s.p.states.resetSent()
	s.p.documents.resetSent()
	return s.sendOnline()
}

// goOffline publishes that the cameras have stopped and the device is offline, and disconnects. If the root is given
// up, its topics are cleared instead. If the broker does not acknowledge that in time, the connection is dropped, and
// the broker publishes the last will.
func (s *session) goOffline() {
	if s.p.leaving.Load() {
		s.p.states.removeAll()
	}
	s.p.states.stop(time.Now())
	s.sendDocuments()
	s.sendStates(true)
	err := s.notifyStatus(event.Offline)
	if err == nil && s.p.leaving.Load() {
		err = s.notifyStatus("")
	}
	if err == nil {
		err = s.waitForNotices()
	}
	if err != nil {
		s.p.log.Warn().Err(err).Msg("the broker has not acknowledged that the device goes offline")
		s.link.abort()
		return
	}
	s.link.close()
}

// waitForNotices waits for the acknowledgements of all notices; a refusal counts as one.
func (s *session) waitForNotices() error {
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
