package publish

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

var update = flag.Bool("update", false, "write testdata/event.json anew")

// golden is an event as readers know it. It changes only together with SchemaVersion.
func golden(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(data)
}

func TestGoldenEvent(t *testing.T) {
	if *update {
		e := sampleEvent("door", 7)
		e.Schema, e.Device, e.ID = SchemaVersion, "gate", ReplayID(e.Time, "gate", "door", 7)
		data, err := EncodeEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/event.json", append(data, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data := golden(t)
	if err := matches(compile(t, EventSchema), data); err != nil {
		t.Fatal(err)
	}
	e, err := DecodeEvent(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := EncodeEvent(e)
	if err != nil || !bytes.Equal(again, data) {
		t.Fatalf("%v\nwas %s\nis  %s", err, data, again)
	}
	if e.Landmarks.RightEye != (Point{838, 50}) || e.Transform[1][2] != -8 || e.Time.Location() != time.UTC {
		t.Fatalf("%+v", e)
	}
}

// alter sets the value at a dotted path of a JSON document; nil removes it.
func alter(t *testing.T, doc []byte, path string, value any) []byte {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(doc, &root); err != nil {
		t.Fatal(err)
	}
	at := root
	keys := strings.Split(path, ".")
	for _, key := range keys[:len(keys)-1] {
		at = at[key].(map[string]any)
	}
	if last := keys[len(keys)-1]; value == nil {
		delete(at, last)
	} else {
		at[last] = value
	}
	out, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEventsRefusedBySchemaAndDecoder(t *testing.T) {
	schema := compile(t, EventSchema)
	for _, c := range []struct {
		path  string
		value any
		want  string
	}{
		{"schema", 1, "unknown schema version 1: this reader knows 2"},
		{"id", "0195514e-3a43-4c3f-8000-000000000000", "is not a UUIDv7"},
		{"id", "0195514E-3A43-7C3F-8000-000000000000", "is not a UUIDv7"},
		{"device", nil, "device: missing"},
		{"camera", "", "camera: is empty"},
		{"camera", "a/b", "contains one of + # /"},
		{"camera", "a\x00b", "control character"},
		{"track", -1, "track"},
		{"track", uint64(1 << 53), "above 2^53-1"},
		{"time", "2025-03-01T12:30:05+01:00", "is not a time in UTC"},
		{"time", "2025-03-01T12:30:05.1234567891Z", "is not a time in UTC to the nanosecond"},
		{"time", "2025-02-30T12:30:05Z", "day out of range"},
		{"frame.width", 0, "0 is not in 1..65535"},
		{"frame.depth", 3, "frame.depth: unknown"},
		{"box.width", 0, "has no area"},
		{"box.x", nil, "box.x: missing"},
		{"landmarks.nose", []any{1}, "landmarks.nose: 1 elements, not 2"},
		{"landmarks.nose", []any{1, 2, 3}, "landmarks.nose: 3 elements, not 2"},
		{"landmarks.nose", []any{1, nil}, "landmarks.nose[1]: null"},
		{"transform", []any{[]any{1, 2, 3}}, "transform: 1 elements, not 2"},
		{"quality.score", 100.5, "100.5 is not in 0..100"},
		{"quality.model", "", "must have 1 to 255 bytes"},
		{"quality.labels", nil, "quality.labels: missing"},
		{"quality.labels", []any{}, "quality.labels"},
		{"quality.labels.norm", 1.5, "quality.labels.norm: 1.5 is not in 0..1"},
		{"quality.labels.norm", "high", "quality.labels"},
		{"quality.labels.Norm", 0.5, "\"Norm\" is not a name of lower case letters"},
		{"quality.labels._", 0.5, "is not a name of lower case letters"},
		{"quality.components.Sharpness", -0.5, "neither in 0..100 nor -1"},
		{"quality.components.Sharpness", nil, "quality.components.Sharpness: missing"},
		{"policy", "worst", "is none of"},
		{"replayed", "no", "replayed"},
		{"image.encoding", "webp", "but the data is jpeg"},
		{"image.data", "", "0 bytes"},
		{"image.data", "/9j=/9j/", "illegal base64"},
		{"image.data", "/9j/\n4AAQ", "not base64 in one piece"},
		{"face", true, "face: unknown"},
	} {
		data := alter(t, golden(t), c.path, c.value)
		if err := matches(schema, data); err == nil {
			t.Errorf("schema accepts %s = %v", c.path, c.value)
		}
		if _, err := DecodeEvent(data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %v: got %v, want ... %s ...", c.path, c.value, err, c.want)
		}
	}
}

// What a schema cannot say, the decoder still refuses.
func TestEventsRefusedByDecoderAlone(t *testing.T) {
	text := string(golden(t))
	for name, data := range map[string]string{
		"other case":   strings.Replace(text, `"id"`, `"ID"`, 1),
		"twice":        strings.Replace(text, `"track":7`, `"track":7,"track":7`, 1),
		"trailing":     text + "{}",
		"cut":          text[:len(text)-2],
		"not UTF-8":    strings.Replace(text, `"door"`, "\"d\xffor\"", 1),
		"float track":  strings.Replace(text, `"track":7`, `"track":7.0`, 1),
		"float32":      strings.Replace(text, `"width":96`, `"width":1e39`, 1),
		"wrong size":   strings.Replace(text, `"width":112`, `"width":113`, 1),
		"wrong format": strings.Replace(text, `"encoding":"jpeg"`, `"encoding":"png"`, 1),
		"no picture":   string(alter(t, golden(t), "image.data", "AAAA")),
		"array data":   string(alter(t, golden(t), "image.data", []int{255, 216})),
		"array":        "[" + text + "]",
		"null":         "null",
		"empty":        "",
		"huge":         text[:1] + strings.Repeat(" ", maxPayload) + text[1:],
	} {
		if text == data {
			t.Fatalf("%s changes nothing", name)
		}
		if e, err := DecodeEvent([]byte(data)); err == nil || !reflect.DeepEqual(e, Event{}) {
			t.Errorf("%s: %v, event empty: %v", name, err, reflect.DeepEqual(e, Event{}))
		}
	}
	if _, err := DecodeEvent(alter(t, []byte(text), "schema", 9)); !errors.Is(err, ErrSchema) {
		t.Error(err)
	}
}

func TestEventsAcceptedAtTheBounds(t *testing.T) {
	schema := compile(t, EventSchema)
	for path, value := range map[string]any{
		"track":                            uint64(maxTrack),
		"time":                             "1970-01-01T00:00:00Z",
		"frame.width":                      65535,
		"box.x":                            -1e30,
		"quality.score":                    100,
		"quality.raw":                      -1e300,
		"quality.components.HeadPoseYaw":   -1,
		"quality.components.HeadPosePitch": 0,
		"camera":                           strings.Repeat("ü", 127),
		"policy":                           "interval",
		"landmarks.left_mouth":             []any{-0.5, 1e-30},
		"quality.components.HeadPoseRoll":  100,
		"quality.model":                    "ü <&> \"",
		"device":                           "Tor 3 – außen",
		"quality.components.Sharpness":     1e-9,
	} {
		data := alter(t, golden(t), path, value)
		if err := matches(schema, data); err != nil {
			t.Errorf("%s = %v: %v", path, value, err)
		}
		if _, err := DecodeEvent(data); err != nil {
			t.Errorf("%s = %v: %v", path, value, err)
		}
	}
}

func TestEncodeSaysEveryFault(t *testing.T) {
	e := sampleEvent("door", 7)
	e.Box.X = float32(math.NaN())
	e.Quality.Raw = math.Inf(1)
	e.Time = time.Time{}
	_, err := EncodeEvent(e)
	for _, want := range []string{"schema: 0", "device: is empty", "id: \"\"", "time: 0001", "box: NaN", "quality.raw: +Inf"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestOtherFormsMatchTheirSchemas(t *testing.T) {
	r := sampleRejected()
	r.Schema, r.Device, r.Time = SchemaVersion, "gate", utc(r.Time)
	s := State{Schema: SchemaVersion, Device: "gate", Camera: "door", State: Running, FPS: 12.5, Since: utc(time.Now())}
	rejected, err1 := encode(&r, "rejected face")
	state, err2 := encode(&s, "state")
	if err := errors.Join(err1, err2, matches(compile(t, RejectedSchema), rejected), matches(compile(t, StateSchema), state)); err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeRejected(rejected); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := DecodeState(state); err != nil || got != s {
		t.Errorf("%+v %v", got, err)
	}
	for _, reasons := range [][]string{{}, {"ugly"}, {"pose", "pose"}} {
		refused(t, RejectedSchema, alter(t, rejected, "reasons", reasons), DecodeRejected)
	}
	for path, value := range map[string]any{"score": 101, "components": nil, "track": 1.5} {
		refused(t, RejectedSchema, alter(t, rejected, path, value), DecodeRejected)
	}
	s.State, s.Reason, s.Detail = Reconnecting, "unauthorized", "the camera refuses user or password"
	state, err1 = encode(&s, "state")
	if got, err := DecodeState(state); errors.Join(err, err1, matches(compile(t, StateSchema), state)) != nil ||
		got != s {
		t.Errorf("%+v %v", got, err)
	}
	for path, value := range map[string]any{
		"state": "connecting", "fps": -1, "since": "now", "extra": 1, "reason": "No!",
		"detail": strings.Repeat("é", 513),
	} {
		refused(t, StateSchema, alter(t, state, path, value), DecodeState)
	}
}

func refused[T any](t *testing.T, schema, data []byte, decode func([]byte) (T, error)) {
	t.Helper()
	if matches(compile(t, schema), data) == nil {
		t.Errorf("schema accepts %s", data)
	}
	if _, err := decode(data); err == nil {
		t.Errorf("decoder accepts %s", data)
	}
}

func TestReplayID(t *testing.T) {
	at := time.Date(2025, 3, 1, 12, 30, 5, 123456789, time.UTC)
	id := ReplayID(at, "gate", "door", 7)
	u, err := uuid.Parse(id)
	if err != nil || u.Version() != 7 || u.Variant() != uuid.RFC4122 || u.String() != id {
		t.Fatal(id, err)
	}
	if sec, nsec := u.Time().UnixTime(); !time.Unix(sec, nsec).Equal(at.Truncate(time.Millisecond)) {
		t.Error(time.Unix(sec, nsec).UTC())
	}
	if again := ReplayID(at.In(time.FixedZone("", 7200)), "gate", "door", 7); again != id {
		t.Error(again, id)
	}
	for _, other := range []string{
		ReplayID(at.Add(1), "gate", "door", 7), ReplayID(at, "gat", "edoor", 7), ReplayID(at, "gate", "door", 8),
	} {
		if other == id {
			t.Error("same id")
		}
	}
}
