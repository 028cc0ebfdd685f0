package publish

import (
	"facesieve/publish/event"
	"facesieve/publish/outbox"
)

// message is what is published on the topic of a kind and a camera.
type message struct {
	kind    event.Kind
	camera  string
	payload []byte
}

// messages returns the messages of an event in the outbox: the face and, with Config.JPEG, its image as JPEG, which is
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
	if !p.cfg.JPEG {
		return []message{face}, nil
	}
	image, err := event.ImageAsJPEG(item.Data)
	if err != nil {
		return nil, err
	}
	return []message{face, {event.KindJPEG, item.Camera, image}}, nil
}

// send hands a message to the link.
func (s *session) send(m message) (token, error) {
	topic := s.p.topics.Of(m.kind, m.camera)
	return s.link.publish(topic, m.kind.QoS(), m.kind.Retained(), m.payload)
}
