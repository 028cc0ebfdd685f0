package publish

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"facesieve/publish/event"
)

// Handler has the functions that Subscribe calls, one at a time and in the order of arrival. Topics whose function is
// nil are not subscribed. A message is acknowledged after the call. The connection is lost if a call takes longer than
// Config.KeepAlive.
type Handler struct {
	Face     func(event.Face)
	JPEG     func(camera string, image []byte)
	Rejected func(event.Rejected)
	State    func(event.State)
	// Status receives the root of a device and its status.
	Status func(root string, status event.Status)
	// Removed receives the root of a device and the name of a camera that no longer exists: its retained state is
	// cleared with an empty message. Camera is empty when the device itself has given up its root. It may be nil.
	Removed func(root, camera string)
	// Invalid receives messages that violate the schemas; nil ignores them.
	Invalid func(topic string, err error)
	// Disconnected is called when there is no connection to a broker. The next attempt follows after wait. nil logs it.
	Disconnected func(broker string, err error, wait time.Duration)
}

// Subscribe calls h for what devices publish below Config.Root, until ctx ends. Then it returns nil, and no call of h
// follows. A level of Root may be +, for several devices. When the connection is lost it makes another; messages in
// between are missed, except retained ones. It returns ErrRefused if the first subscription fails and waiting does not
// help. It does not use Config.ClientID but an id of its own.
func Subscribe(ctx context.Context, cfg Config, h Handler, log zerolog.Logger) error {
	if cfg.Root == "" {
		cfg.Root = cfg.Topics().Root()
	}
	faults := faults(cfg.connectionFaults())
	if err := event.CheckRootFilter(cfg.Root); err != nil {
		faults.add("root", "%w", err)
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	s := &subscriber{cfg: cfg, handler: h, filters: h.filters(cfg.Topics())}
	defer s.stop()
	t := defaultTiming()
	retry := newBackOff(t.retryMin, t.retryMax)
	for {
		started := time.Now()
		err := s.serveConnection(ctx, log)
		if ctx.Err() != nil {
			return nil
		}
		if !s.subscribed && errors.Is(err, ErrRefused) {
			return err
		}
		if time.Since(started) > stable {
			retry.Reset()
		}
		wait := retry.NextBackOff()
		if h.Disconnected != nil {
			h.Disconnected(cfg.address(), err, wait)
		} else {
			log.Warn().Err(err).Stringer("retry_in", wait.Round(100*time.Millisecond)).
				Msg("no connection to the broker")
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

type subscriber struct {
	cfg        Config
	handler    Handler
	filters    map[string]byte
	subscribed bool // at least once
	broker     memory

	mu      sync.Mutex // held during a call of the handler
	stopped bool
}

// filters returns the topics to subscribe, with their quality of service.
func (h Handler) filters(t event.Topics) map[string]byte {
	filters := map[string]byte{}
	for topic, wanted := range map[string]bool{
		t.Face("+"):     h.Face != nil,
		t.JPEG("+"):     h.JPEG != nil,
		t.Rejected("+"): h.Rejected != nil,
		t.State("+"):    h.State != nil,
		t.Status():      h.Status != nil,
	} {
		if wanted {
			filters[topic] = 1
		}
	}
	return filters
}

// serveConnection makes one connection and serves it until it is lost or ctx ends.
func (s *subscriber) serveConnection(ctx context.Context, log zerolog.Logger) error {
	id, err := uuid.NewRandom()
	if err != nil {
		return err
	}
	self := identity{clientID: "facesieve-watch-" + id.String()[:7], receive: s.receive, memory: &s.broker}
	l, err := connect(ctx, s.cfg, self)
	if err != nil {
		return err
	}
	if err := s.subscribe(ctx, l); err != nil {
		l.abort()
		return err
	}
	s.subscribed = true
	log.Info().Str("broker", s.cfg.address()).Str("root", s.cfg.Root).Msg("subscribed")
	select {
	case <-l.lost:
		l.abort()
		return l.err
	case <-ctx.Done():
		l.close()
		return nil
	}
}

func (s *subscriber) subscribe(ctx context.Context, l *link) error {
	if len(s.filters) == 0 {
		return nil
	}
	answer := l.subscribe(s.filters)
	answered, cancel := context.WithTimeoutCause(ctx, connectTimeout, errNoAnswer)
	defer cancel()
	if err := l.wait(answered, answer); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for topic, code := range answer.Result() {
		if code > 2 {
			return fmt.Errorf("subscribe to %s: %w: the broker does not allow it: allow this user to read there",
				topic, ErrRefused)
		}
	}
	return nil
}

// stop waits for the present call of the handler and prevents others.
func (s *subscriber) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
}

// receive is called, on a goroutine of the client, for each message.
func (s *subscriber) receive(topic string, _ bool, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	if err := s.deliver(topic, payload); err != nil && s.handler.Invalid != nil {
		s.handler.Invalid(topic, err)
	}
}

func (s *subscriber) deliver(topic string, payload []byte) error {
	root, camera, kind := event.ParseTopic(topic)
	if len(payload) == 0 && (kind == event.KindState || kind == event.KindStatus) {
		if s.handler.Removed != nil {
			s.handler.Removed(root, camera)
		}
		return nil
	}
	switch kind {
	case event.KindFace:
		return deliver(payload, event.DecodeFace, s.handler.Face)
	case event.KindRejected:
		return deliver(payload, event.DecodeRejected, s.handler.Rejected)
	case event.KindState:
		return deliver(payload, event.DecodeState, s.handler.State)
	case event.KindStatus:
		return deliver(payload, event.DecodeStatus, s.handler.status(root))
	case event.KindJPEG:
		if s.handler.JPEG != nil {
			s.handler.JPEG(camera, payload)
		}
	}
	return nil
}

// status returns the function that handles the status of one device; nil if there is none.
func (h Handler) status(root string) func(event.Status) {
	if h.Status == nil {
		return nil
	}
	return func(status event.Status) { h.Status(root, status) }
}

func deliver[T any](payload []byte, decode func([]byte) (T, error), handle func(T)) error {
	if handle == nil {
		return nil
	}
	v, err := decode(payload)
	if err == nil {
		handle(v)
	}
	return err
}
