package publish

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/time/rate"

	"facesieve/internal/freeport"
	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
	"facesieve/publish/outbox"
	"facesieve/publish/publishtest"
)

func TestPublishOverEmbeddedBroker(t *testing.T) {
	cfg, _ := embedded(t, func(c *Config) { c.JPEG, c.Rejected = true, true })
	watch := publishtest.Record(t, "tcp://"+cfg.Listen, "facesieve/#")
	p := mustOpen(t, cfg, quick())
	publishtest.Eventually(t, "connected", connected(p))

	asPNG := eventtest.Face("door", 1)
	asPNG.Image.Encoding, asPNG.Image.Data = event.PNG, eventtest.PNG()
	for _, err := range []error{
		p.Publish(asPNG),
		p.Publish(eventtest.Face("door", 2)),
		p.Reject(eventtest.Rejected()),
		p.SetState("door", event.State{State: event.Running, FPS: 25, Since: time.Now()}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	publishtest.Eventually(t, "all messages", func() bool {
		return len(watch.On("facesieve/gate/door/face")) == 2 && len(watch.On("facesieve/gate/door/face/jpeg")) == 2 &&
			len(watch.On("facesieve/gate/door/rejected")) == 1 && len(watch.On("facesieve/gate/door/state")) == 1
	})

	schema := eventtest.CompileStrict(t, event.FaceSchema)
	for i, m := range watch.On("facesieve/gate/door/face") {
		e, err := event.DecodeFace(m.Payload())
		if err := errors.Join(err, eventtest.Validate(schema, m.Payload())); err != nil {
			t.Fatal(err)
		}
		if e.Track != uint64(i+1) || e.Device != "gate" || e.Replayed || m.Qos() != 1 || m.Retained() {
			t.Errorf("%+v", e)
		}
	}
	for _, m := range watch.On("facesieve/gate/door/face/jpeg") {
		if c, err := jpeg.DecodeConfig(bytes.NewReader(m.Payload())); err != nil || c.Width != 112 || m.Retained() {
			t.Error(c, err)
		}
	}
	for topic, schema := range map[string]string{"rejected": event.RejectedSchema, "state": event.StateSchema} {
		payload := []byte(watch.Last("facesieve/gate/door/" + topic))
		if err := eventtest.Validate(eventtest.CompileStrict(t, schema), payload); err != nil {
			t.Error(err)
		}
	}
	if got := watch.Last("facesieve/gate/status"); got != string(event.Online) {
		t.Error(got)
	}
	publishtest.Eventually(t, "acknowledged", func() bool { return p.Stats().Delivered == 2 && p.Stats().Queued == 0 })
}

func TestCloseSendsTheRestAndGoesOffline(t *testing.T) {
	cfg, _ := embedded(t, nil)
	watch := publishtest.Record(t, "tcp://"+cfg.Listen, "facesieve/#")
	here := goleak.IgnoreCurrent()
	p := mustOpen(t, cfg, quick())
	if err := p.SetState("door", event.State{State: event.Running, FPS: 25, Since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(40) { // more than the window, most likely before the connection stands
		if err := p.Publish(eventtest.Face("door", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := shut(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Delivered != 40 || s.Connected {
		t.Errorf("%+v", s)
	}
	publishtest.Eventually(t, "offline",
		func() bool { return watch.Last("facesieve/gate/status") == string(event.Offline) })
	state, err := event.DecodeState([]byte(watch.Last("facesieve/gate/door/state")))
	if err != nil || state.State != event.Stopped || state.FPS != 0 || len(watch.On("facesieve/gate/door/face")) != 40 {
		t.Errorf("%+v %v, %d faces", state, err, len(watch.On("facesieve/gate/door/face")))
	}
	if err := p.SetState("door", event.State{State: event.Running, Since: time.Now()}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := p.Publish(eventtest.Face("door", 1)); !errors.Is(err, outbox.ErrClosed) {
		t.Error(err)
	}
	if err := shut(t.Context(), p); err != nil {
		t.Error("second Close:", err)
	}
	goleak.VerifyNone(t, here)
}

// Events after Close, while the outbox is open, wait for the next publisher.
func TestPublishAfterCloseIsStored(t *testing.T) {
	queue := mustOpenQueue(t, inMemory())
	last := mustOpenOn(t, queue, testConfig("tcp://"+freeport.Address(t)), quick())
	last.Close(t.Context())
	if err := last.Publish(eventtest.Face("door", 1)); err != nil {
		t.Fatal(err)
	}
	cfg, _ := embedded(t, nil)
	next := mustOpenOn(t, queue, cfg, quick())
	publishtest.Eventually(t, "delivered", func() bool { return next.Stats().Delivered == 1 })
}

func TestCloseWithoutBroker(t *testing.T) {
	here := goleak.IgnoreCurrent()
	p := mustOpen(t, testConfig("tcp://"+freeport.Address(t)), defaultTiming())
	publishtest.Eventually(t, "first attempt failed", func() bool { return p.Stats().LastError != "" })
	if err := p.Publish(eventtest.Face("door", 1)); err != nil {
		t.Fatal(err)
	}
	err := shut(t.Context(), p) // does not wait for the next attempt, and has no deadline
	if err == nil || !strings.Contains(err.Error(), "1 events were not delivered") {
		t.Error(err)
	}
	goleak.VerifyNone(t, here)
}

func TestCloseGivesUpWithItsContext(t *testing.T) {
	broker := publishtest.StartAnonymous(t)
	link := startProxy(t, broker.Addr)
	p := mustOpen(t, testConfig(link.url()), quick())
	publishtest.Eventually(t, "connected", connected(p))
	link.silence(true) // from here on, no acknowledgement
	if err := p.Publish(eventtest.Face("door", 1)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := shut(ctx, p); err == nil || !strings.Contains(err.Error(), "1 events were not delivered") {
		t.Error(err)
	}
}

func TestPublishRefusesFaultyEvents(t *testing.T) {
	p := mustOpen(t, testConfig("tcp://"+freeport.Address(t)), quick())
	bad := eventtest.Face("a/b", 1)
	if err := p.Publish(bad); err == nil || !strings.Contains(err.Error(), "camera") {
		t.Error(err)
	}
	bad = eventtest.Face("door", 1)
	bad.ID = "1"
	if err := p.Publish(bad); err == nil || !strings.Contains(err.Error(), "UUIDv7") {
		t.Error(err)
	}
	if err := p.SetState("a+b", event.State{State: event.Running, Since: time.Now()}); err == nil {
		t.Error("camera a+b")
	}
	if s := p.Stats(); s.Accepted != 0 {
		t.Errorf("%+v", s)
	}
}

func TestReportsAreNotKept(t *testing.T) {
	cfg := testConfig("tcp://" + freeport.Address(t))
	cfg.Rejected = true
	p := mustOpen(t, cfg, quick())
	if err := p.Reject(eventtest.Rejected()); err != nil {
		t.Fatal(err)
	}
	r := eventtest.Rejected()
	r.Reasons = nil
	if err := p.Reject(r); err == nil {
		t.Error("no reason")
	}
	if s := p.Stats(); s.RejectsDropped != 1 {
		t.Errorf("%+v", s)
	}
}

// Reports beyond the rate are dropped and counted, and delay nothing.
func TestReportsAreLimited(t *testing.T) {
	cfg, _ := embedded(t, nil)
	watch := publishtest.Record(t, "tcp://"+cfg.Listen, "facesieve/#")
	p := mustOpen(t, cfg, quick())
	p.limiter = rate.NewLimiter(0, 3)
	publishtest.Eventually(t, "connected", connected(p))
	for range 5 {
		if err := p.Reject(eventtest.Rejected()); err != nil {
			t.Fatal(err)
		}
	}
	publishAll(t, p, 0, 1)
	publishtest.Eventually(t, "arrived", func() bool {
		return len(watch.On("facesieve/gate/door/rejected")) == 3 && len(watch.On("facesieve/gate/door/face")) == 1
	})
	if s := p.Stats(); s.RejectsDropped != 2 || s.Accepted != 1 {
		t.Errorf("%+v", s)
	}
}

func TestOpenRefusesBadConfigurations(t *testing.T) {
	cfg := testConfig("tcp://b")
	cfg.KeepAlive = 0
	queue := mustOpenQueue(t, inMemory())
	if _, err := Open(cfg, queue, testLog(t)); err == nil || !strings.Contains(err.Error(), "publish: keep_alive: 0s") {
		t.Error(err)
	}
	cfg = testConfig("ssl://b")
	cfg.TLS.CA = "event/testdata/face.json"
	if _, err := Open(cfg, queue, testLog(t)); err == nil ||
		!strings.Contains(err.Error(), "tls.ca: holds no PEM certificate") {
		t.Error(err)
	}
}
