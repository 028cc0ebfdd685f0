package publish

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"

	"facesieve/publish/event"
	"facesieve/publish/hass"
)

// staleTime is how long retained messages of an earlier run may arrive after the subscription.
const staleTime = 3 * time.Second

// subscriptions are the topics that a session subscribes to, each once.
type subscriptions struct {
	requested map[string]bool
	grants    grants    // not yet answered
	until     time.Time // when the subscriptions that find messages of an earlier run end; zero: there is none
}

// granted is closed when the broker has answered the subscriptions. It is nil if none is open.
func (o *subscriptions) granted() <-chan struct{} {
	if o.grants == nil {
		return nil
	}
	return o.grants.Done()
}

// subscribe subscribes to what has become necessary: the device's own status for the proof, its retained messages of an
// earlier run when cameras and discovery are set, the start of Home Assistant, commands, and feedback.
func (s *session) subscribe() {
	if s.subscriptions.grants != nil {
		return
	}
	filters := map[string]byte{}
	for filter, wanted := range map[string]bool{
		s.p.topics.Status():         !s.link.hasReasons,
		s.p.topics.State("+"):       s.p.states.mayClear(),
		hass.Filter(s.p.cfg.Device): s.p.documents.mayClear(),
		hass.StatusTopic:            s.p.cfg.HomeAssistant,
		s.p.topics.Set("+", "+"):    s.p.handle.Load() != nil,
		s.p.topics.Feedback("+"):    s.p.feedback.Load() != nil,
	} {
		if wanted && !s.subscriptions.requested[filter] {
			s.subscriptions.requested[filter] = true
			filters[filter] = 1
		}
	}
	if filters[s.p.topics.Status()] > 0 {
		s.proof.wanted = true
	}
	if len(filters) > 0 {
		s.subscriptions.grants = s.link.subscribe(filters)
	}
}

// handleSubscription handles the broker's answer to subscribe. If the broker does not allow reading, there is no proof,
// messages of an earlier run are not cleared, and no command arrives.
func (s *session) handleSubscription() error {
	granted, err := s.subscriptions.grants.Result(), s.subscriptions.grants.Error()
	s.subscriptions.grants = nil
	if err != nil {
		return errors.Join(errLost, err)
	}
	for filter, code := range granted {
		switch {
		case code > 2:
			s.handleRefusedSubscription(filter)
		case s.findsStale(filter):
			s.subscriptions.until = time.Now().Add(staleTime)
		}
	}
	return nil
}

func (s *session) findsStale(filter string) bool {
	return filter == s.p.topics.State("+") || filter == hass.Filter(s.p.cfg.Device)
}

func (s *session) handleRefusedSubscription(filter string) {
	level, consequence := zerolog.InfoLevel, "messages of an earlier run are not cleared"
	switch filter {
	case s.p.topics.Status():
		s.proof.wanted = false
		consequence = "whether it discards messages cannot be tested"
	case s.p.topics.Set("+", "+"):
		level, consequence = zerolog.WarnLevel, "no command arrives; allow the device to read it there"
	case s.p.topics.Feedback("+"):
		level, consequence = zerolog.WarnLevel, "no feedback arrives; allow the device to read it there"
	case hass.StatusTopic:
		level = zerolog.WarnLevel
		consequence = "discovery is not sent again when Home Assistant has started; allow the device to read it there"
	}
	s.p.log.WithLevel(level).Str("topic", filter).
		Msg("the broker does not allow reading this topic: " + consequence)
}

// endStale ends the subscriptions that find messages of an earlier run after staleTime.
func (s *session) endStale() {
	if s.subscriptions.until.IsZero() || time.Now().Before(s.subscriptions.until) {
		return
	}
	s.subscriptions.until = time.Time{}
	var filters []string
	for filter := range s.subscriptions.requested {
		if s.findsStale(filter) {
			filters = append(filters, filter)
		}
	}
	s.link.unsubscribe(filters...)
}

// receive is called, on a goroutine of the client, for each message that arrives.
func (s *session) receive(topic string, retained bool, payload []byte) {
	switch {
	case topic == s.p.topics.Status():
		if !retained && event.Status(payload) == event.Online {
			s.recordEcho()
		}
	case topic == hass.StatusTopic:
		// A retained one is older than this connection, on which everything is sent anyway.
		if !retained && string(payload) == hass.StatusOnline {
			s.p.documents.renew(time.Now().Add(rand.N(s.p.timing.renew))) //nolint:gosec // the delay is no secret
		}
	case hass.IsDiscovery(s.p.cfg.Device, topic):
		if retained && len(payload) > 0 && s.p.documents.recordRetained(topic) {
			s.p.log.Info().Str("topic", topic).Msg("clearing the discovery of a camera that is not configured")
			s.p.wakeSession()
		}
	case s.p.receiveInbound(topic, retained, payload):
	default:
		s.receiveState(topic, retained, payload)
	}
}

func (s *session) recordEcho() {
	select {
	case s.proof.echo <- struct{}{}:
	default:
	}
}

// receiveState handles the retained state of a camera of an earlier run.
func (s *session) receiveState(topic string, retained bool, payload []byte) {
	root, camera, kind := event.ParseTopic(topic)
	if retained && len(payload) > 0 && kind == event.KindState && root == s.p.topics.Root() &&
		s.p.states.recordRetained(camera) {
		s.p.log.Info().Str("camera", camera).Msg("clearing the retained state of a camera that is not configured")
		s.p.wakeSession()
	}
}
