// Package publishtest has what tests of MQTT share: a real broker, a subscriber, certificates.
package publishtest

import (
	"bytes"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/google/uuid"
)

// Patience is how long a test waits for what must happen, also while other programs have the processor. Nothing is faster
// or slower because of it.
const Patience = 40 * time.Second

// Eventually waits until a condition is true, and fails the test after Patience.
func Eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if happened() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// Log is a log that can be read while it is written.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns the text so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Recorder is a subscriber, independent of package publish, that keeps what the broker sends.
type Recorder struct {
	Client mqtt.Client
	mu     sync.Mutex
	got    []mqtt.Message
}

// Record connects to the broker at url and subscribes to filter with QoS 1.
func Record(t *testing.T, url, filter string) *Recorder {
	t.Helper()
	return RecordWith(t, mqtt.NewClientOptions().AddBroker(url).SetAutoReconnect(false), filter)
}

// RecordWith is Record with other options. It sets the client id and the handler. A message that the broker sends again
// by itself, marked as a duplicate, is kept once.
func RecordWith(t *testing.T, options *mqtt.ClientOptions, filter string) *Recorder {
	t.Helper()
	r := &Recorder{}
	r.Client = mqtt.NewClient(options.SetClientID("recorder-" + uuid.NewString()[:8]).SetDefaultPublishHandler(r.add))
	for _, step := range []func() mqtt.Token{
		r.Client.Connect,
		func() mqtt.Token { return r.Client.Subscribe(filter, 1, nil) },
	} {
		if token := step(); !token.WaitTimeout(Patience) || token.Error() != nil {
			t.Fatalf("recorder: %v", token.Error())
		}
	}
	t.Cleanup(func() { r.Client.Disconnect(100) })
	return r
}

func (r *Recorder) add(_ mqtt.Client, m mqtt.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.Duplicate() {
		for _, other := range r.got {
			if bytes.Equal(other.Payload(), m.Payload()) {
				return
			}
		}
	}
	r.got = append(r.got, m)
}

// Send publishes a message with QoS 1, as another program would.
func (r *Recorder) Send(t *testing.T, topic, payload string, retained bool) {
	t.Helper()
	token := r.Client.Publish(topic, 1, retained, payload)
	if !token.WaitTimeout(Patience) || token.Error() != nil {
		t.Fatalf("send to %s: %v", topic, token.Error())
	}
}

// Messages returns all messages so far.
func (r *Recorder) Messages() []mqtt.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]mqtt.Message(nil), r.got...)
}

// Clear deletes the messages.
func (r *Recorder) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = nil
}

// On returns the messages of one topic so far.
func (r *Recorder) On(topic string) []mqtt.Message {
	var found []mqtt.Message
	for _, m := range r.Messages() {
		if m.Topic() == topic {
			found = append(found, m)
		}
	}
	return found
}

// Last returns the latest payload on a topic, or "".
func (r *Recorder) Last(topic string) string {
	if found := r.On(topic); len(found) > 0 {
		return string(found[len(found)-1].Payload())
	}
	return ""
}
