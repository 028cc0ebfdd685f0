package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"facesieve/internal/freeport"
	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
	"facesieve/publish/outbox"
	"facesieve/publish/publishtest"
)

// faces decodes all events that arrived on a camera's topic, and holds each against the schema.
func faces(t *testing.T, r *publishtest.Recorder, topic string) []event.Face {
	t.Helper()
	schema := eventtest.CompileStrict(t, event.FaceSchema)
	var events []event.Face
	for _, m := range r.On(topic) {
		e, err := event.DecodeFace(m.Payload())
		if err := errors.Join(err, eventtest.Validate(schema, m.Payload())); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// tracks returns how often each track arrived.
func tracks(events []event.Face) map[uint64]int {
	seen := map[uint64]int{}
	for _, e := range events {
		seen[e.Track]++
	}
	return seen
}

func publishAll(t *testing.T, p *Publisher, from, to uint64) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := p.Publish(eventtest.Face("door", i)); err != nil {
			t.Fatal(err)
		}
	}
}

// The broker is killed and started again: all accepted events arrive once, in order, marked as replayed.
func TestNothingLostWhenTheBrokerDies(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	link := startProxy(t, broker.Addr)
	p := mustOpen(t, testConfig(link.url()), quick())
	publishtest.Eventually(t, "connected", connected(p))
	publishAll(t, p, 0, 5)
	publishtest.Eventually(t, "first five delivered", func() bool { return p.Stats().Queued == 0 })

	broker.Kill(t)
	publishtest.Eventually(t, "lost", func() bool { return !p.Stats().Connected })
	publishAll(t, p, 5, 30)
	link.cut(true) // so that the recorder is there before the publisher
	broker.Start(t)
	watch := publishtest.Record(t, broker.URL(), "facesieve/#")
	link.cut(false)
	publishtest.Eventually(t, "rest delivered", func() bool { return p.Stats().Queued == 0 })
	publishtest.Eventually(t, "rest arrived", func() bool { return len(watch.On("facesieve/gate/door/face")) == 25 })
	publishAll(t, p, 30, 31)
	publishtest.Eventually(t, "new one arrived", func() bool { return len(watch.On("facesieve/gate/door/face")) == 26 })

	for i, e := range faces(t, watch, "facesieve/gate/door/face") {
		if e.Track != uint64(i+5) || e.Replayed != (e.Track < 30) {
			t.Errorf("%d: track %d, replayed %v", i, e.Track, e.Replayed)
		}
	}
	s := p.Stats()
	if s.Delivered != 31 || s.Connections != 2 {
		t.Errorf("%+v", s)
	}
	var timed uint64
	for _, n := range s.Latencies.Counts {
		timed += n
	}
	if timed != 6 { // those that were not replayed
		t.Errorf("%d latencies: %+v", timed, s.Latencies)
	}
}

// Acknowledgements are lost: the events are sent again, with the same id, marked as replayed.
func TestSentAgainWithTheSameID(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	watch := publishtest.Record(t, broker.URL(), "facesieve/#")
	link := startProxy(t, broker.Addr)
	p := mustOpen(t, testConfig(link.url()), quick())
	publishtest.Eventually(t, "connected", connected(p))
	publishAll(t, p, 0, 1)
	publishtest.Eventually(t, "first delivered", func() bool { return p.Stats().Queued == 0 })

	link.silence(true)
	publishAll(t, p, 1, 4)
	publishtest.Eventually(t, "arrived unacknowledged",
		func() bool { return len(watch.On("facesieve/gate/door/face")) == 4 })
	if s := p.Stats(); s.Queued != 3 {
		t.Errorf("%+v: left the queue without acknowledgement", s)
	}
	link.silence(false)
	link.cut(false)
	publishtest.Eventually(t, "delivered", func() bool { return p.Stats().Queued == 0 })
	publishtest.Eventually(t, "arrived again", func() bool { return len(watch.On("facesieve/gate/door/face")) == 7 })

	events := faces(t, watch, "facesieve/gate/door/face")
	for i, again := range events[4:] {
		first := events[i+1]
		if first.ID != again.ID || first.Track != again.Track || first.Replayed || !again.Replayed {
			t.Errorf("%s %v, again %s %v", first.ID, first.Replayed, again.ID, again.Replayed)
		}
	}
}

// A network that fails all the time loses nothing either.
func TestNothingLostOnABadNetwork(t *testing.T) {
	t.Parallel()
	broker := publishtest.StartAnonymous(t)
	watch := publishtest.Record(t, broker.URL(), "facesieve/#")
	link := startProxy(t, broker.Addr)
	p := mustOpen(t, testConfig(link.url()), quick())
	const n = 200
	for i := range uint64(n) {
		if i%20 == 10 {
			link.cut(false)
		}
		publishAll(t, p, i, i+1)
		time.Sleep(2 * time.Millisecond)
	}
	publishtest.Eventually(t, "delivered", func() bool { return p.Stats().Queued == 0 })
	publishtest.Eventually(t, "arrived",
		func() bool { return len(tracks(faces(t, watch, "facesieve/gate/door/face"))) == n })
	ids := map[uint64]string{}
	for _, e := range faces(t, watch, "facesieve/gate/door/face") {
		if id, ok := ids[e.Track]; ok && (id != e.ID || !e.Replayed) {
			t.Errorf("track %d: a double that is not one", e.Track)
		}
		ids[e.Track] = e.ID
	}
	t.Logf("%d connections, %d messages for %d events",
		p.Stats().Connections, len(watch.On("facesieve/gate/door/face")), n)
}

func TestLastWill(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	watch := publishtest.Record(t, broker.URL(), "facesieve/#")
	link := startProxy(t, broker.Addr)
	p := mustOpen(t, testConfig(link.url()), quick())
	if err := p.SetState("door", event.State{State: event.Running, FPS: 25, Since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	publishtest.Eventually(t, "online",
		func() bool { return watch.Last("facesieve/gate/status") == string(event.Online) })
	publishtest.Eventually(t, "running", func() bool { return len(watch.On("facesieve/gate/door/state")) == 1 })
	link.cut(true)
	publishtest.Eventually(t, "last will",
		func() bool { return watch.Last("facesieve/gate/status") == string(event.Offline) })
	link.cut(false)
	publishtest.Eventually(t, "online again",
		func() bool { return watch.Last("facesieve/gate/status") == string(event.Online) })
	publishtest.Eventually(t, "state again", func() bool { return len(watch.On("facesieve/gate/door/state")) == 2 })

	late := publishtest.Record(t, broker.URL(), "facesieve/#") // a later subscriber receives both
	publishtest.Eventually(t, "retained", func() bool {
		status, state := late.On("facesieve/gate/status"), late.On("facesieve/gate/door/state")
		return len(status) == 1 && status[0].Retained() && len(state) == 1 && state[0].Retained()
	})
}

// A connection without acknowledgements is ended, and its events are sent on the next.
func TestBrokerWithoutAcknowledgements(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	link := startProxy(t, broker.Addr)
	tm := quick()
	tm.ack = 100 * time.Millisecond
	p := mustOpen(t, testConfig(link.url()), tm)
	publishtest.Eventually(t, "connected", connected(p))
	link.silence(true)
	publishAll(t, p, 0, 3)
	publishtest.Eventually(t, "disconnected",
		func() bool { return p.Stats().LastError == fmt.Sprintf("%v: %v for %v", errLost, errNoAck, tm.ack) })
	link.silence(false)
	link.cut(false) // a connection that is being made gets no answer
	publishtest.Eventually(t, "delivered", func() bool { return p.Stats().Delivered == 3 })
}

// A broker that closes the connection over one message still gets the others.
func TestOneMessageDoesNotStopTheOthers(t *testing.T) {
	broker := publishtest.StartMosquitto(t, t.TempDir(), "allow_anonymous true", "max_packet_size 20000")
	watch := publishtest.Record(t, broker.URL(), "facesieve/#")
	p := mustOpen(t, testConfig(broker.URL()), quick())
	huge := eventtest.Face("door", 0)
	huge.Image.Encoding, huge.Image.Data = event.PNG, append(eventtest.PNG(), make([]byte, 20000)...)
	if err := p.Publish(huge); err != nil {
		t.Fatal(err)
	}
	publishAll(t, p, 1, 20)
	publishtest.Eventually(t, "the others arrived",
		func() bool { return len(tracks(faces(t, watch, "facesieve/gate/door/face"))) == 19 })
	publishtest.Eventually(t, "one left", func() bool { return p.Stats().Queued == 1 })
}

// heavy is an event of which a window does not fit into the buffers of a connection.
func heavy(n uint64) []event.Face {
	data := append(eventtest.PNG(), make([]byte, 400_000)...)
	events := make([]event.Face, n)
	for i := range n {
		events[i] = eventtest.Face("door", i)
		events[i].Image.Encoding, events[i].Image.Data = event.PNG, data
	}
	return events
}

// The network transports nothing for a while: the connection is kept, and nothing is lost.
func TestSlowUplink(t *testing.T) {
	t.Parallel()
	broker := publishtest.StartAnonymous(t)
	watch := publishtest.Record(t, broker.URL(), "facesieve/#")
	link := startProxy(t, broker.Addr)
	p := mustOpen(t, testConfig(link.url()), defaultTiming())
	publishtest.Eventually(t, "connected", connected(p))
	link.block(true)
	const n = 20 // 11 MB
	for _, e := range heavy(n) {
		if err := p.Publish(e); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(3 * handover) // long enough for the hand-over to fail
	link.block(false)
	publishtest.Eventually(t, "delivered", func() bool { return p.Stats().Delivered == n })
	publishtest.Eventually(t, "arrived", func() bool { return len(watch.On("facesieve/gate/door/face")) == n })
	for i, m := range watch.On("facesieve/gate/door/face") {
		if e, err := event.DecodeFace(m.Payload()); err != nil || e.Track != uint64(i) {
			t.Errorf("%d: track %d, %v", i, e.Track, err)
		}
	}
	if s := p.Stats(); s.Connections != 1 {
		t.Errorf("%+v", s)
	}
}

// Close ends a connection whose writes block, and all that waits for it.
func TestCloseOnAStuckNetwork(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	link := startProxy(t, broker.Addr)
	here := goleak.IgnoreCurrent()
	p := mustOpen(t, testConfig(link.url()), quick())
	publishtest.Eventually(t, "connected", connected(p))
	link.block(true)
	for _, e := range heavy(20) {
		if err := p.Publish(e); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*handover)
	defer cancel()
	started := time.Now()
	if err := shut(ctx, p); err == nil || !strings.Contains(err.Error(), "20 events were not delivered") {
		t.Error(err)
	}
	t.Logf("closed after %v", time.Since(started))
	link.cut(true)
	goleak.VerifyNone(t, here)
}

// What a publisher leaves in the outbox, the next one on it sends; and so does the next run, from disk.
func TestTheNextPublisherSendsTheRest(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	watch := publishtest.Record(t, broker.URL(), "facesieve/#")
	settings := onDisk(t.TempDir())
	queue := mustOpenQueue(t, settings)
	p := mustOpenOn(t, queue, testConfig("tcp://"+freeport.Address(t)), quick())
	publishAll(t, p, 0, 3)
	if err := shut(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	queue = mustOpenQueue(t, settings)
	p = mustOpenOn(t, queue, testConfig("tcp://"+freeport.Address(t)), quick())
	publishAll(t, p, 3, 6)
	p.Close(t.Context())
	moved := testConfig(broker.URL())
	moved.Root = "site/gate"
	other := publishtest.Record(t, broker.URL(), "site/#")
	p = mustOpenOn(t, queue, moved, quick())
	publishtest.Eventually(t, "delivered", func() bool { return p.Stats().Delivered == 6 })
	publishtest.Eventually(t, "arrived", func() bool { return len(other.On("site/gate/door/face")) == 6 })
	for i, e := range faces(t, other, "site/gate/door/face") {
		if e.Track != uint64(i) || !e.Replayed {
			t.Errorf("%d: track %d, replayed %v", i, e.Track, e.Replayed)
		}
	}
	if n := len(watch.On("facesieve/gate/door/face")); n != 0 {
		t.Errorf("%d at the old topic", n)
	}
}

// An event that an earlier version of the program accepted is sent as it was, in its own schema, and so is its image: a
// subscriber can decode it. One that is no event at all is dropped and counted.
func TestEventsOfAnEarlierVersion(t *testing.T) {
	cfg, _ := embedded(t, func(c *Config) { c.JPEG = true })
	watch := publishtest.Record(t, "tcp://"+cfg.Listen, "facesieve/#")
	queue := mustOpenQueue(t, onDisk(t.TempDir()))
	image, err := json.Marshal(event.Image{Encoding: event.PNG, Width: 112, Height: 112, Data: eventtest.PNG()})
	if err != nil {
		t.Fatal(err)
	}
	earlier := `{"schema":0,"id":"x","old":[1,2],"replayed":false,"image":` + string(image) + `}`
	for _, data := range []string{earlier, version2(t, "face"), `{"schema"`} {
		if err := queue.Add(outbox.Event{Camera: "door", Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	p := mustOpenOn(t, queue, cfg, quick())
	publishtest.Eventually(t, "done", func() bool { return p.Stats().Queued == 0 })
	publishtest.Eventually(t, "arrived", func() bool { return len(watch.On("facesieve/gate/door/face/jpeg")) == 2 })
	sent := watch.On("facesieve/gate/door/face")
	want := `{"id":"x","image":` + string(image) + `,"old":[1,2],"replayed":true,"schema":0}`
	if got := string(sent[0].Payload()); got != want {
		t.Errorf("%.100s", got)
	}
	var got, stored map[string]any
	if err := errors.Join(json.Unmarshal(sent[1].Payload(), &got), json.Unmarshal([]byte(version2(t, "face")), &stored)); err != nil {
		t.Fatal(err)
	}
	stored["replayed"] = true
	face, err := event.DecodeFace(sent[1].Payload())
	if err != nil || face.Schema != 2 || !face.Replayed || !reflect.DeepEqual(got, stored) {
		t.Errorf("%v: %.200s", err, sent[1].Payload())
	}
	if s := p.Stats(); s.Delivered != 2 || s.Dropped != (outbox.Losses{Corrupt: 1}) {
		t.Errorf("%+v", s)
	}
}
