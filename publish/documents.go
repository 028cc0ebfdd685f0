package publish

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"facesieve/publish/event"
)

// documents holds retained messages that are not states: the latest of each topic, and the one that the broker has.
type documents struct {
	mu      sync.Mutex
	latest  map[string][]byte
	sent    map[string][]byte
	gone    map[string]bool // topics that are to be cleared; true once the empty message was sent
	device  string          // topic of the device's state, which discovery does not remove
	renewAt time.Time       // when all are due again; zero: never
	found   bool            // discovery was set, so that what an earlier run has left behind can be cleared
}

func newDocuments(device string) documents {
	return documents{latest: map[string][]byte{}, sent: map[string][]byte{}, gone: map[string]bool{}, device: device}
}

// set stores the message of one topic.
func (d *documents) set(topic string, payload []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.gone, topic)
	d.latest[topic] = payload
}

// setDiscovery replaces the messages of discovery. The former ones that have no successor are to be cleared.
func (d *documents) setDiscovery(messages map[string][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found = true
	for topic := range d.latest {
		if _, stays := messages[topic]; !stays && topic != d.device {
			d.remove(topic)
		}
	}
	for topic, payload := range messages {
		delete(d.gone, topic)
		d.latest[topic] = payload
	}
}

// recordRetained records that the broker has a message of discovery of this device. It reports whether that is to be
// cleared.
func (d *documents) recordRetained(topic string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, latest := d.latest[topic]
	_, listed := d.gone[topic]
	if !d.found || latest || listed || len(d.gone) >= maxGone {
		return false
	}
	d.remove(topic)
	return true
}

func (d *documents) remove(topic string) {
	delete(d.latest, topic)
	delete(d.sent, topic)
	d.gone[topic] = false
}

// removeAll marks all messages to be cleared.
func (d *documents) removeAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for topic := range d.latest {
		d.remove(topic)
	}
}

// mayClear reports whether what an earlier run has left behind may be cleared.
func (d *documents) mayClear() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.found
}

// document is a retained message; an empty payload clears it.
type document struct {
	topic   string
	payload []byte
}

// due returns what the broker does not have, in order of the topic: first the messages that remove a device in Home
// Assistant, and the state of the device, which it reads, at the end.
func (d *documents) due() []document {
	d.mu.Lock()
	defer d.mu.Unlock()
	var due []document
	for topic, sent := range d.gone {
		if !sent {
			due = append(due, document{topic: topic})
		}
	}
	for topic, payload := range d.latest {
		if sent, ok := d.sent[topic]; !ok || !bytes.Equal(sent, payload) {
			due = append(due, document{topic, payload})
		}
	}
	slices.SortFunc(due, func(a, b document) int { return cmp.Or(d.rank(a)-d.rank(b), strings.Compare(a.topic, b.topic)) })
	return due
}

func (d *documents) rank(m document) int {
	switch {
	case m.topic == d.device:
		return 2
	case len(m.payload) > 0:
		return 1
	}
	return 0
}

// recordSent records that the link has accepted the message.
func (d *documents) recordSent(sent document) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(sent.payload) > 0 {
		d.sent[sent.topic] = sent.payload
	} else if _, ok := d.gone[sent.topic]; ok {
		d.gone[sent.topic] = true
	}
}

// recordCleared records that the broker has acknowledged the empty message.
func (d *documents) recordCleared(topic string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.gone, topic)
}

// resetSent makes all messages due: a new connection has sent none.
func (d *documents) resetSent() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reset()
}

func (d *documents) reset() {
	clear(d.sent)
	for topic := range d.gone {
		d.gone[topic] = false
	}
	d.renewAt = time.Time{}
}

// renew makes all messages due at a time, unless that is planned already.
func (d *documents) renew(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.renewAt.IsZero() {
		d.renewAt = at
	}
}

// renewDue makes all messages due if the time for it has come.
func (d *documents) renewDue(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.renewAt.IsZero() && !now.Before(d.renewAt) {
		d.reset()
	}
}

// SetDiscovery sets the messages, by topic, by which Home Assistant finds the device (package hass). They are published
// retained, again after each connection, and again when Home Assistant has started. A message of an earlier call, or of
// an earlier run, that has no successor is cleared, which removes a device there. It has no effect without
// Config.HomeAssistant.
func (p *Publisher) SetDiscovery(messages map[string][]byte) {
	if p.cfg.HomeAssistant {
		p.documents.setDiscovery(messages)
		p.wakeSession()
	}
}

// SetDevice publishes the state of the device, retained, if it has changed. It sets Schema and Device. It has no effect
// without Config.HomeAssistant.
func (p *Publisher) SetDevice(d event.Device) error {
	if !p.cfg.HomeAssistant {
		return nil
	}
	d.Schema, d.Device = event.Version, p.cfg.Device
	payload, err := event.EncodeDevice(d)
	if err != nil {
		return err
	}
	p.documents.set(p.topics.Device(), payload)
	p.wakeSession()
	return nil
}

// Withdraw clears the messages of SetDiscovery and SetDevice. Close waits until the broker has acknowledged it.
func (p *Publisher) Withdraw() {
	p.documents.removeAll()
	p.wakeSession()
}

// sendDocuments sends the retained messages that are due. Those that the link does not accept stay due.
func (s *session) sendDocuments() {
	for _, d := range s.p.documents.due() {
		done := func() {}
		if len(d.payload) == 0 {
			done = func() { s.p.documents.recordCleared(d.topic) }
		}
		accepted, err := s.sendTo(d.topic, 1, true, d.payload)
		if err != nil {
			return
		}
		s.notices = append(s.notices, notice{accepted, done})
		s.p.documents.recordSent(d)
	}
}
