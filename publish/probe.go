package publish

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
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
	// Retained is true if the broker has delivered a retained message to a new subscription. Only Diagnose tests it, and
	// only if Returned is true.
	Retained bool
	// Chain is the broker's certificate and those of its authorities, verified; nil without TLS.
	Chain []*x509.Certificate
}

// Expires returns the time at which the first certificate of the chain expires; zero without TLS.
func (p Probe) Expires() time.Time {
	if len(p.Chain) == 0 {
		return time.Time{}
	}
	first := slices.MinFunc(p.Chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	return first.NotAfter
}

// Connect makes one connection to the broker of cfg, as a publisher with another client id. It publishes one message
// without a face to <root>/probe with QoS 1, which is not retained, and waits for it to return. It returns an error if
// there is no connection within ten seconds, or if the broker discards the message.
func Connect(ctx context.Context, cfg Config) (Probe, error) { return connectProbe(ctx, cfg, false) }

// Diagnose is Connect with a test of retained messages: if the first message returns, it publishes a retained one to the
// same topic, subscribes again to receive it, and clears it. The broker keeps it for at most about a second.
func Diagnose(ctx context.Context, cfg Config) (Probe, error) { return connectProbe(ctx, cfg, true) }

func connectProbe(ctx context.Context, cfg Config, retain bool) (Probe, error) {
	if err := cfg.Validate(); err != nil {
		return Probe{}, fmt.Errorf("publish: %w", err)
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return Probe{}, fmt.Errorf("probe: %w", err)
	}
	topic, text := cfg.Topics().Probe(), id.String()
	e := newEcho(text)
	self := identity{clientID: cfg.ClientName() + "-check", sends: true, receive: e.receive, memory: new(memory)}
	l, err := connect(ctx, cfg, self)
	if err != nil && self.memory.hangUps.Load() == 1 { // the second attempt offers MQTT 3.1.1 too
		l, err = connect(ctx, cfg, self)
	}
	if err != nil {
		return Probe{}, err
	}
	defer l.close()
	p, err := l.probe(ctx, topic, e)
	if err == nil && p.Returned && retain {
		p.Retained = l.probeRetain(ctx, topic, e)
	}
	return p, err
}

// echo receives the messages of a probe: text, published and retained.
type echo struct {
	text            string
	fresh, retained chan struct{} // capacity 1
}

func newEcho(text string) echo {
	return echo{text: text, fresh: make(chan struct{}, 1), retained: make(chan struct{}, 1)}
}

func (e echo) receive(_ string, retained bool, payload []byte) {
	to := e.fresh
	if retained {
		to = e.retained
	}
	if string(payload) != e.text {
		return
	}
	select {
	case to <- struct{}{}:
	default: // received before
	}
}

func (l *link) probe(ctx context.Context, topic string, e echo) (Probe, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTime, errNoAck)
	defer cancel()
	p := Probe{Topic: topic, Version: "3.1.1", Proved: l.hasReasons, Chain: l.chain}
	if l.hasReasons {
		p.Version = "5"
	}
	answer := l.subscribe(map[string]byte{topic: 1})
	if err := l.wait(ctx, answer); err != nil {
		return p, fmt.Errorf("subscribe to %s: %w", topic, err)
	}
	if err := l.publishProbe(ctx, topic, e.text); err != nil {
		return p, fmt.Errorf("publish to %s: %w", topic, err)
	}
	if answer.Result()[topic] > 2 { // reading is not allowed
		return p, nil
	}
	return l.awaitEcho(ctx, p, e.fresh)
}

// probeRetain reports whether the broker keeps a retained message.
func (l *link) probeRetain(ctx context.Context, topic string, e echo) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTime, errNoAck)
	defer cancel()
	message, err := l.publish(topic, 1, true, []byte(e.text))
	if err != nil || l.wait(ctx, message) != nil {
		return false
	}
	defer l.clearRetained(ctx, topic)
	if l.wait(ctx, l.subscribe(map[string]byte{topic: 1})) != nil {
		return false
	}
	select {
	case <-e.retained:
		return true
	case <-time.After(returnTime):
	case <-l.lost:
	case <-ctx.Done():
	}
	return false
}

// clearRetained removes the retained message, also if ctx has ended.
func (l *link) clearRetained(ctx context.Context, topic string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), returnTime)
	defer cancel()
	if message, err := l.publish(topic, 1, true, nil); err == nil {
		_ = l.wait(ctx, message) // there is nobody to report it to; the message holds no face
	}
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
