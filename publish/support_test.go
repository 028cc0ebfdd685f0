package publish

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"facesieve/publish/outbox"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(dir, os.Getenv(victimBroker))
		return
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must happen; nothing is faster or slower because of it.
const patience = 20 * time.Second

func quick() timing {
	return timing{
		retryMin: 20 * time.Millisecond, retryMax: 100 * time.Millisecond, ack: 5 * time.Second,
		states: 20 * time.Millisecond, step: 5 * time.Second, echo: time.Second,
		holdMin: 50 * time.Millisecond, holdMax: 200 * time.Millisecond,
	}
}

func testConfig(broker string) Config {
	cfg := Default()
	cfg.Broker, cfg.Device = broker, "gate"
	return cfg
}

func testLog(t *testing.T) zerolog.Logger {
	return zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.InfoLevel)
}

func picture() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 112, 112))
	for i := range 112 * 112 {
		x, y := i%112, i/112
		m.Set(x, y, color.RGBA{R: uint8(x), G: uint8(y), B: uint8(x ^ y), A: 255})
	}
	return m
}

func jpegBytes() []byte {
	var b bytes.Buffer
	_ = jpeg.Encode(&b, picture(), nil)
	return b.Bytes()
}

func pngBytes() []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, picture())
	return b.Bytes()
}

// sampleEvent is a good event as a pipeline makes it: schema, id and device are left to the publisher.
func sampleEvent(camera string, track uint64) Event {
	return Event{
		Camera:    camera,
		Track:     track,
		Time:      time.Date(2025, 3, 1, 12, 30, 5, 123456789, time.FixedZone("", 3600)),
		Frame:     Size{Width: 1920, Height: 1080},
		Box:       NewBox([4]float32{812.5, -3.25, 96, 128}),
		Landmarks: NewLandmarks([5][2]float32{{838, 50}, {880, 51}, {860, 75}, {841, 96}, {878, 97}}),
		Transform: NewTransform([6]float64{0.875, -0.02, -690, 0.02, 0.875, -8}),
		Quality: Quality{
			Score: 71.5, Raw: 0.6125, Model: "facesieve-quality-r32m-1",
			Labels: Labels{"agreement": 0.75, "norm": 0.475},
			Components: Components{
				Sharpness: 88, UnderExposurePrevention: 97.5, OverExposurePrevention: 100, InterEyeDistance: 42,
				HeadPoseYaw: 91, HeadPosePitch: 83, HeadPoseRoll: 99,
			},
		},
		Policy: "best",
		Image:  Image{Encoding: JPEG, Width: 112, Height: 112, Data: jpegBytes()},
	}
}

func sampleRejected() Rejected {
	e := sampleEvent("door", 7)
	return Rejected{
		Camera: e.Camera, Track: e.Track, Time: e.Time, Frame: e.Frame, Box: e.Box,
		Reasons: []string{"too_small", "pose"}, Score: NotAssessed, Labels: Labels{}, Components: e.Quality.Components,
	}
}

func compile(t testing.TB, schema []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.AssertContent()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func matches(schema *jsonschema.Schema, payload []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		return err
	}
	return schema.Validate(doc)
}

// recorder is a subscriber that knows nothing of this package: it keeps what the broker sends, byte by byte.
type recorder struct {
	client mqtt.Client
	mu     sync.Mutex
	got    []mqtt.Message
}

func record(t *testing.T, broker, filter string) *recorder {
	t.Helper()
	r := &recorder{}
	r.client = mqtt.NewClient(mqtt.NewClientOptions().AddBroker(broker).SetClientID("recorder-" + uuid.NewString()[:8]).
		SetAutoReconnect(false).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.got = append(r.got, m)
		}))
	for _, step := range []func() mqtt.Token{
		r.client.Connect,
		func() mqtt.Token { return r.client.Subscribe(filter, 1, nil) },
	} {
		if token := step(); !token.WaitTimeout(patience) || token.Error() != nil {
			t.Fatalf("recorder: %v", token.Error())
		}
	}
	t.Cleanup(func() { r.client.Disconnect(100) })
	return r
}

// on returns the messages of one topic so far.
func (r *recorder) on(topic string) []mqtt.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []mqtt.Message
	for _, m := range r.got {
		if m.Topic() == topic {
			found = append(found, m)
		}
	}
	return found
}

// last is the latest payload on a topic, or "".
func (r *recorder) last(topic string) string {
	if found := r.on(topic); len(found) > 0 {
		return string(found[len(found)-1].Payload())
	}
	return ""
}

func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if happened() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// inMemory is an outbox that holds nothing back.
func inMemory() outbox.Config {
	cfg := outbox.Default()
	cfg.Store, cfg.DrainRate = outbox.Memory, 1000
	return cfg
}

// onDisk is one whose file lies in dir.
func onDisk(dir string) outbox.Config {
	cfg := inMemory()
	cfg.Store, cfg.Dir = outbox.Disk, dir
	return cfg
}

func mustOpenBox(t *testing.T, cfg outbox.Config) *outbox.Box {
	t.Helper()
	box, err := outbox.Open(cfg, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() }) // tells of what a test has left behind
	return box
}

// mustOpen opens a publisher on an outbox in memory.
func mustOpen(t *testing.T, cfg Config, tm timing) *Publisher {
	t.Helper()
	return mustOpenOn(t, mustOpenBox(t, inMemory()), cfg, tm)
}

func mustOpenOn(t *testing.T, box *outbox.Box, cfg Config, tm timing) *Publisher {
	t.Helper()
	p, err := open(cfg, box, testLog(t), tm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(t.Context()) }) // its context has ended: drops what is left
	return p
}

// shut closes a publisher and its outbox, and returns what the outbox has to say.
func shut(ctx context.Context, p *Publisher) error {
	p.Close(ctx)
	return p.box.Close()
}

func connected(p *Publisher) func() bool { return func() bool { return p.Stats().Connected } }

// embedded starts a broker on a free port and returns a configuration for it.
func embedded(t *testing.T, change func(*Config)) (Config, *Broker) {
	t.Helper()
	cfg := testConfig(Embedded)
	cfg.Listen = "127.0.0.1:0"
	if change != nil {
		change(&cfg)
	}
	b, err := StartBroker(t.Context(), cfg, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg.Listen = b.Addr()
	return b.Attach(cfg), b
}
