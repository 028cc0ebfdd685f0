package publish

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"facesieve/publish/event"
)

const (
	probeTime  = 5 * time.Second // for all answers to a probe, after the connection
	returnTime = time.Second     // for the delivery of a probe that the broker has accepted (MQTT 5)
)

// Probe is the result of Connect.
type Probe struct {
	// Topic is where the message went, Version the version of MQTT: 5 or 3.1.1.
	Topic, Version string
	// Returned is true if the broker has delivered the message. Otherwise it does not allow reading the topic.
	Returned bool
	// Proved is true if the broker accepts messages: it has delivered one, or acknowledged one as accepted (MQTT 5).
	Proved bool
}

// Connect makes one connection to the broker of cfg, as a publisher with another client id. It publishes one message
// without a face to <root>/probe, which is not retained, and waits for it to return. It returns an error if there is no
// connection within ten seconds, or if the broker discards the message.
func Connect(ctx context.Context, cfg Config) (Probe, error) {
	if err := cfg.Validate(); err != nil {
		return Probe{}, fmt.Errorf("publish: %w", err)
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return Probe{}, fmt.Errorf("probe: %w", err)
	}
	topic, text := cfg.Topics().Probe(), id.String()
	echo := make(chan struct{}, 1)
	receive := func(_ string, _ bool, payload []byte) {
		if string(payload) == text {
			echo <- struct{}{}
		}
	}
	self := identity{clientID: cfg.ClientName() + "-check", sends: true, receive: receive, memory: new(memory)}
	l, err := connect(ctx, cfg, self)
	if err != nil && self.memory.hangUps.Load() == 1 { // the second attempt offers MQTT 3.1.1 too
		l, err = connect(ctx, cfg, self)
	}
	if err != nil {
		return Probe{}, err
	}
	defer l.close()
	return l.probe(ctx, topic, text, echo)
}

func (l *link) probe(ctx context.Context, topic, text string, echo <-chan struct{}) (Probe, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTime, errNoAck)
	defer cancel()
	p := Probe{Topic: topic, Version: "3.1.1", Proved: l.hasReasons}
	if l.hasReasons {
		p.Version = "5"
	}
	answer := l.subscribe(map[string]byte{topic: 1})
	if err := l.wait(ctx, answer); err != nil {
		return p, fmt.Errorf("subscribe to %s: %w", topic, err)
	}
	if err := l.publishProbe(ctx, topic, text); err != nil {
		return p, fmt.Errorf("publish to %s: %w", topic, err)
	}
	if answer.Result()[topic] > 2 { // reading is not allowed
		return p, nil
	}
	return l.awaitEcho(ctx, p, echo)
}

// publishProbe publishes the message and waits for its acknowledgement.
func (l *link) publishProbe(ctx context.Context, topic, text string) error {
	message, err := l.publish(topic, 1, false, []byte(text))
	if err == nil {
		err = l.wait(ctx, message)
	}
	if _, refused := refusedMessage(err); refused {
		return explained(denialText(topic, probeRoot(topic), err), err)
	}
	return err
}

func probeRoot(topic string) string { return strings.TrimSuffix(topic, "/"+string(event.KindProbe)) }

// awaitEcho waits for the message to return.
func (l *link) awaitEcho(ctx context.Context, p Probe, echo <-chan struct{}) (Probe, error) {
	var timeout <-chan time.Time
	if p.Proved {
		timeout = time.After(returnTime)
	}
	select {
	case <-timeout:
	case <-echo:
		p.Returned, p.Proved = true, true
	case <-l.lost:
		return p, l.err
	case <-ctx.Done():
		if !p.Proved && errors.Is(context.Cause(ctx), errNoAck) {
			hint := denialText(p.Topic, probeRoot(p.Topic), errDiscarded)
			return p, fmt.Errorf("publish to %s: %w", p.Topic, explained(hint, errNoAck))
		}
	}
	return p, nil
}
