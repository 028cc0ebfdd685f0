package publish

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/eclipse/paho.golang/packets"
	"github.com/rs/zerolog"
)

// refused reports whether err is the broker's refusal of one message, and records it. The connection stays open.
func (s *session) refused(topic string, err error) bool {
	reason, ok := refusedMessage(err)
	if ok {
		s.p.denies(topic, reason)
	}
	return ok
}

// holdBack returns a refused event to the outbox. If the topic was refused, all events of the camera wait. If the
// message was refused, only this event waits.
func (s *session) holdBack(f *flight, err error) {
	s.inflight = s.inflight[1:]
	s.progress, s.moved = true, time.Now()
	retry := s.held[f.camera]
	if retry == nil {
		retry = newBackOff(s.p.timing.holdMin, s.p.timing.holdMax)
		s.held[f.camera] = retry
	}
	reason, _ := refusedMessage(err)
	s.p.box.Requeue(f.key, retry.NextBackOff(), !ofMessage(reason.code))
}

// ofMessage reports whether a refusal concerns one message alone.
func ofMessage(code byte) bool {
	return code == packets.DisconnectPacketTooLarge || code == packets.DisconnectPayloadFormatInvalid
}

// denies records that the broker discards the messages of a topic.
func (p *Publisher) denies(topic string, err error) {
	why := denialText(topic, p.topics.Root(), err)
	p.mu.Lock()
	changed := p.denied[topic] != why
	p.denied[topic] = why
	p.mu.Unlock()
	level := zerolog.DebugLevel
	if changed {
		level = zerolog.ErrorLevel
	}
	p.log.WithLevel(level).Err(err).Str("topic", topic).
		Msg(why + "; events wait in the outbox and are sent again later")
}

// accepts records that the broker has accepted a message of a topic.
func (p *Publisher) accepts(topic string) {
	p.mu.Lock()
	_, was := p.denied[topic]
	delete(p.denied, topic)
	p.mu.Unlock()
	if was {
		p.log.Info().Str("topic", topic).Msg("the broker accepts this topic again")
	}
}

// denialText returns what to do about the refusal of a message.
func denialText(topic, root string, err error) string {
	allow := fmt.Sprintf("allow the device to write below %s there (mosquitto: topic write %s/#)", root, root)
	if errors.Is(err, errDiscarded) {
		return "the broker acknowledges messages and discards them: " + allow +
			fmt.Sprintf(", and to read its own status (mosquitto: topic readwrite %s/#)", root)
	}
	reason, _ := refusedMessage(err)
	switch reason.code {
	case packets.PubackNotAuthorized:
		return fmt.Sprintf("the broker's access control forbids %s: %s", topic, allow)
	case packets.PubackTopicNameInvalid:
		return fmt.Sprintf("the broker does not accept the topic %s: change the name of the camera, or mqtt.root",
			topic)
	case packets.PubackQuotaExceeded:
		return fmt.Sprintf("a quota of the broker for %s is used up: raise it there", topic)
	case packets.DisconnectPacketTooLarge:
		return fmt.Sprintf("a message for %s is too large for the broker: "+
			"raise max_packet_size or message_size_limit there above 1 MiB, or lower image.quality", topic)
	case packets.PubackPayloadFormatInvalid:
		return fmt.Sprintf("the broker does not accept the content of a message for %s: see its log", topic)
	}
	return fmt.Sprintf("the broker refuses %s: see its log", topic)
}

// denial joins the refusals for Stats. The caller holds mu.
func (p *Publisher) denial() string {
	if len(p.denied) == 0 {
		return ""
	}
	topics := slices.Sorted(maps.Keys(p.denied))
	text := p.denied[topics[0]]
	if others := len(topics) - 1; others > 0 {
		text += fmt.Sprintf(" (and %d more topics)", others)
	}
	return text
}

func newSession(p *Publisher) *session {
	return &session{p: p, held: map[string]*backoff.ExponentialBackOff{}, proof: proof{echo: make(chan struct{}, 1)}}
}
