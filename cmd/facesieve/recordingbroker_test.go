package main

import (
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"facesieve/internal/freeport"
	"facesieve/publish/event"
)

// recordingBroker is a broker without authentication that records the events that it receives. It can be stopped and
// started; the record stays.
type recordingBroker struct {
	t       *testing.T
	address string
	server  *mochi.Server // nil while it is stopped

	mutex  sync.Mutex
	counts map[string]int        // how often each event was received, by id
	latest map[string]event.Face // by camera, without the image
}

// startRecordingBroker starts a broker that runs until the test ends.
func startRecordingBroker(t *testing.T) *recordingBroker {
	t.Helper()
	b := &recordingBroker{
		t: t, address: freeport.Address(t), counts: map[string]int{},
		latest: map[string]event.Face{},
	}
	b.up()
	t.Cleanup(b.down)
	return b
}

func (b *recordingBroker) up() {
	b.server = mochi.New(&mochi.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	for _, err := range []error{
		b.server.AddHook(&recordingHook{broker: b}, nil),
		b.server.AddListener(listeners.NewTCP(listeners.Config{ID: "recording", Address: b.address})),
		b.server.Serve(),
	} {
		if err != nil {
			b.t.Error(err)
		}
	}
}

func (b *recordingBroker) down() {
	if b.server == nil {
		return
	}
	if err := b.server.Close(); err != nil {
		b.t.Error(err)
	}
	b.server = nil
}

// record counts an event.
func (b *recordingBroker) record(e event.Face) {
	e.Image.Data = nil
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.counts[e.ID]++
	if e.Time.After(b.latest[e.Camera].Time) {
		b.latest[e.Camera] = e
	}
}

// last returns the event of a camera with the latest time.
func (b *recordingBroker) last(camera string) event.Face {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.latest[camera]
}

// received returns how often the event of this id was received.
func (b *recordingBroker) received(id string) int {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.counts[id]
}

// recordingHook records the events of a broker.
type recordingHook struct {
	mochi.HookBase
	broker *recordingBroker
}

func (*recordingHook) ID() string                                               { return "recording" }
func (*recordingHook) Provides(byte) bool                                       { return true }
func (*recordingHook) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (*recordingHook) OnACLCheck(*mochi.Client, string, bool) bool              { return true }

func (h *recordingHook) OnPublish(_ *mochi.Client, packet packets.Packet) (packets.Packet, error) {
	if !strings.HasSuffix(packet.TopicName, "/face") {
		return packet, nil
	}
	face, err := event.DecodeFace(packet.Payload)
	if err != nil {
		h.broker.t.Errorf("%s: %v", packet.TopicName, err)
		return packet, nil
	}
	h.broker.record(face)
	return packet, nil
}
