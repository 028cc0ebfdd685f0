package publish

import (
	"time"

	"facesieve/publish/event"
	"facesieve/publish/outbox"
)

// flight is an event that the broker has not acknowledged.
type flight struct {
	key    uint64
	camera string
	acked  bool      // the event itself is acknowledged; its JPEG image is not
	unsent []message // not yet accepted by the link
	sent   []sent    // not yet acknowledged, in their order
}

// fillWindow sends events until the window is full. It returns after what time to try again, or 0 if only an
// acknowledgement or a new event can change anything.
func (s *session) fillWindow() (retryIn time.Duration) {
	if s.proof.wanted {
		return 0
	}
	for {
		if n := len(s.inflight); n > 0 && !s.sendRest(s.inflight[n-1]) {
			return handover
		}
		if len(s.inflight) == window {
			return 0
		}
		item, retryIn, ok := s.p.outbox.Next(s.p.isClosing())
		if !ok {
			return retryIn
		}
		messages, err := s.p.messages(item)
		if err != nil {
			s.p.log.Error().Err(err).Str("camera", item.Camera).Msg("an event in the outbox is damaged and is dropped")
			s.p.outbox.Discard(item.Key)
			continue
		}
		if len(s.inflight) == 0 {
			s.lastAck = time.Now()
		}
		s.inflight = append(s.inflight, &flight{key: item.Key, camera: item.Camera, unsent: messages})
	}
}

// messages returns the messages of an event in the outbox: the face and, with Config.SendsJPEG, its image as JPEG, which is
// made here so that it is not stored twice. The event may have the schema of an earlier version of this program: it is
// sent as it was accepted, and only marked as replayed.
func (p *Publisher) messages(item outbox.Item) ([]message, error) {
	face := message{event.KindFace, item.Camera, item.Data}
	if item.Replayed {
		var err error
		if face.payload, err = event.MarkReplayed(item.Data); err != nil {
			return nil, err
		}
	}
	if !p.cfg.SendsJPEG() {
		return []message{face}, nil
	}
	image, err := event.ImageAsJPEG(item.Data)
	if err != nil {
		return nil, err
	}
	return []message{face, {event.KindJPEG, item.Camera, image}}, nil
}

// sendRest sends the unsent messages of an event, and reports whether the link has accepted all.
func (s *session) sendRest(f *flight) bool {
	for len(f.unsent) > 0 {
		m, err := s.send(f.unsent[0])
		if err != nil {
			return false
		}
		f.unsent, f.sent = f.unsent[1:], append(f.sent, m)
	}
	return true
}

// oldestFlight is closed when the oldest message in flight is acknowledged or has failed. It is nil if there is none.
func (s *session) oldestFlight() <-chan struct{} {
	if len(s.inflight) == 0 || len(s.inflight[0].sent) == 0 {
		return nil
	}
	return s.inflight[0].sent[0].token.Done()
}

// handleEventAck removes the oldest message in flight, and its event with the last of its messages.
func (s *session) handleEventAck() error {
	f := s.inflight[0]
	refused, err := s.recordAnswer(f.sent[0])
	if err != nil {
		return err
	}
	s.progress, s.lastAck = true, time.Now()
	if refused && !f.acked {
		s.requeue(f)
		return nil
	}
	f.acked = true
	delete(s.held, f.camera)
	f.sent = f.sent[1:]
	if len(f.sent)+len(f.unsent) == 0 {
		s.p.outbox.Done(f.key)
		s.inflight = s.inflight[1:]
	}
	return nil
}

// requeue returns a refused event to the outbox. If the topic was refused, all events of the camera wait. If the
// message was refused, only this event waits.
func (s *session) requeue(f *flight) {
	s.inflight = s.inflight[1:]
	retry := s.held[f.camera]
	if retry == nil {
		retry = newBackOff(s.p.timing.holdMin, s.p.timing.holdMax)
		s.held[f.camera] = retry
	}
	reason, _ := refusedMessage(f.sent[0].token.Error())
	s.p.outbox.Requeue(f.key, retry.NextBackOff(), !reason.ofMessage())
}
