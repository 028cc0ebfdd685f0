package main

import (
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"facesieve/capture/cameratest"
	"facesieve/publish/event"
)

// ledger is a broker for everybody that writes down which events it has received, and that can be switched off and on. What
// it has written down outlives that.
type ledger struct {
	t       *testing.T
	address string
	server  *mochi.Server // nil while it is off

	mutex    sync.Mutex
	receipts map[string]*receipt
	latest   map[string]event.Face // of each camera
}

// receipt is what the ledger knows of one event.
type receipt struct {
	event event.Face  // without its picture
	times []time.Time // when it came, once if all is well
}

// startLedger switches a broker on, until the test ends.
func startLedger(t *testing.T) *ledger {
	t.Helper()
	address, _ := cameratest.FreeAddresses(t)
	l := &ledger{t: t, address: address, receipts: map[string]*receipt{}, latest: map[string]event.Face{}}
	l.up()
	t.Cleanup(l.down)
	return l
}

func (l *ledger) up() {
	l.server = mochi.New(&mochi.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	for _, err := range []error{
		l.server.AddHook(&clerk{ledger: l}, nil),
		l.server.AddListener(listeners.NewTCP(listeners.Config{ID: "ledger", Address: l.address})),
		l.server.Serve(),
	} {
		if err != nil {
			l.t.Error(err)
		}
	}
}

func (l *ledger) down() {
	if l.server == nil {
		return
	}
	if err := l.server.Close(); err != nil {
		l.t.Error(err)
	}
	l.server = nil
}

// clerk is the hook that writes things down.
type clerk struct {
	mochi.HookBase
	ledger *ledger
}

func (*clerk) ID() string                                               { return "clerk" }
func (*clerk) Provides(byte) bool                                       { return true }
func (*clerk) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (*clerk) OnACLCheck(*mochi.Client, string, bool) bool              { return true }

func (c *clerk) OnPublish(_ *mochi.Client, packet packets.Packet) (packets.Packet, error) {
	if !strings.HasSuffix(packet.TopicName, "/face") {
		return packet, nil
	}
	event, err := event.DecodeFace(packet.Payload)
	if err != nil {
		c.ledger.t.Errorf("%s: %v", packet.TopicName, err)
		return packet, nil
	}
	event.Image.Data = nil
	c.ledger.mutex.Lock()
	defer c.ledger.mutex.Unlock()
	r := c.ledger.receipts[event.ID]
	if r == nil {
		r = &receipt{event: event}
		c.ledger.receipts[event.ID] = r
	}
	r.times = append(r.times, time.Now())
	if event.Time.After(c.ledger.latest[event.Camera].Time) {
		c.ledger.latest[event.Camera] = event
	}
	return packet, nil
}

// last is the event of a camera with the latest time.
func (l *ledger) last(camera string) event.Face {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.latest[camera]
}

// received says how often the event of this id came.
func (l *ledger) received(id string) int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if r := l.receipts[id]; r != nil {
		return len(r.times)
	}
	return 0
}
