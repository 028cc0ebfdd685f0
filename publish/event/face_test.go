package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
)

var update = flag.Bool("update", false, "rewrite testdata/face.json")

// golden is a face as subscribers receive it. Within a version, the file changes only where fields are added.
func golden(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/face.json")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(data)
}

func TestGoldenFace(t *testing.T) {
	if *update {
		e := eventtest.Face("door", 7)
		e.Schema, e.Device, e.ID = event.Version, "gate", event.ReplayID(e.Time, "gate", "door", 7)
		data, err := event.EncodeFace(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/face.json", append(data, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data := golden(t)
	if err := eventtest.Validate(eventtest.CompileStrict(t, event.FaceSchema), data); err != nil {
		t.Fatal(err)
	}
	e, err := event.DecodeFace(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := event.EncodeFace(e)
	if err != nil || !bytes.Equal(again, data) {
		t.Fatalf("%v\nwas %s\nis  %s", err, data, again)
	}
	if e.Landmarks.RightEye != (event.Point{838, 50}) || e.Transform[1][2] != -8 || e.Time.Location() != time.UTC {
		t.Fatalf("%+v", e)
	}
}

// The schemas require the components that the encoders require, and describe no others.
func TestComponentsOfTheSchemas(t *testing.T) {
	for _, text := range []string{event.FaceSchema, event.RejectedSchema} {
		var schema struct {
			Defs struct {
				Components struct {
					Required   []string
					Properties map[string]any
				}
			} `json:"$defs"`
		}
		if err := json.Unmarshal([]byte(text), &schema); err != nil {
			t.Fatal(err)
		}
		components, names := schema.Defs.Components, event.ComponentNames()
		slices.Sort(names)
		if described := slices.Sorted(maps.Keys(components.Properties)); !slices.Equal(described, names) {
			t.Errorf("%v, want %v", described, names)
		}
		if slices.Sort(components.Required); !slices.Equal(components.Required, names) {
			t.Errorf("%v are required, want %v", components.Required, names)
		}
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

func TestRefusedBySchemaAndDecoder(t *testing.T) {
	schema := eventtest.Compile(t, event.FaceSchema)
	for _, c := range []struct {
		path  string
		value any
		want  string
	}{
		{"schema", 1, "unknown schema version 1: this reader supports 2 and 3: update facesieve on the device"},
		{"schema", 4, "unknown schema version 4: this reader supports 2 and 3: update this reader"},
		{"schema", nil, "schema: missing"},
		{"id", "0195514e-3a43-4c3f-8000-000000000000", "is not a UUIDv7"},
		{"id", "0195514E-3A43-7C3F-8000-000000000000", "is not a UUIDv7"},
		{"device", nil, "device: missing"},
		{"camera", "", "camera: is empty"},
		{"camera", "a/b", "contains one of + # /"},
		{"camera", "a\x00b", "control character"},
		{"visit", nil, "visit: missing"},
		{"visit.id", "7", `visit.id: "7" is not a UUIDv7`},
		{"visit.first_seen", "2025-03-01T12:30:05+01:00", "visit.first_seen: 2025-03-01T12:30:05+01:00 is not a time in UTC"},
		{"visit.last_seen", nil, "visit.last_seen: missing"},
		{"visit.frames", -1, "visit.frames: -1 is not in 0..2^53-1"},
		{"visit.faces", nil, "visit.faces: missing"},
		{"visit.tracks", uint64(1 << 53), "visit.tracks: 9007199254740992 is not in 0..2^53-1"},
		{"latency_ms", nil, "latency_ms: missing"},
		{"latency_ms", -1, "latency_ms: -1 is not in 0..2^53-1"},
		{"latency_ms", 1.5, "latency_ms"},
		{"track", -1, "track"},
		{"track", uint64(1 << 53), "above 2^53-1"},
		{"time", "2025-03-01T12:30:05+01:00", "is not a time in UTC"},
		{"time", "2025-03-01T12:30:05.1234567891Z", "is not a time in UTC to the nanosecond"},
		{"time", "2025-02-30T12:30:05Z", "day out of range"},
		{"frame.width", 0, "0 is not in 1..65535"},
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
		{"policy", "Worst", "is not a name of lower case letters"},
		{"replayed", "no", "replayed"},
		{"image.encoding", "webp", "but the data is jpeg"},
		{"image.data", "", "0 bytes"},
		{"image.data", "/9j=/9j/", "illegal base64"},
		{"image.data", "/9j/\n4AAQ", "not base64 in one piece"},
	} {
		data := alter(t, golden(t), c.path, c.value)
		if err := eventtest.Validate(schema, data); err == nil {
			t.Errorf("schema accepts %s = %v", c.path, c.value)
		}
		if _, err := event.DecodeFace(data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %v: got %v, want ... %s ...", c.path, c.value, err, c.want)
		}
	}
}

// The decoder refuses what a schema cannot describe.
func TestRefusedByDecoderAlone(t *testing.T) {
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
		"huge":         text[:1] + strings.Repeat(" ", event.MaxPayload) + text[1:],
	} {
		if text == data {
			t.Fatalf("%s changes nothing", name)
		}
		if e, err := event.DecodeFace([]byte(data)); err == nil || !reflect.DeepEqual(e, event.Face{}) {
			t.Errorf("%s: %v, event empty: %v", name, err, reflect.DeepEqual(e, event.Face{}))
		}
	}
	if _, err := event.DecodeFace(alter(t, []byte(text), "schema", 9)); !errors.Is(err, event.ErrVersion) {
		t.Error(err)
	}
}

func TestAcceptedAtTheBounds(t *testing.T) {
	schema := eventtest.Compile(t, event.FaceSchema)
	for path, value := range map[string]any{
		"track":                            uint64(1<<53 - 1),
		"latency_ms":                       0,
		"visit.last_seen":                  "1970-01-01T00:00:00Z",
		"visit.frames":                     uint64(1<<53 - 1),
		"visit.tracks":                     0,
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
		if err := eventtest.Validate(schema, data); err != nil {
			t.Errorf("%s = %v: %v", path, value, err)
		}
		if _, err := event.DecodeFace(data); err != nil {
			t.Errorf("%s = %v: %v", path, value, err)
		}
	}
}

func TestEncodeReportsEveryFault(t *testing.T) {
	e := eventtest.Face("door", 7)
	e.Box.X = float32(math.NaN())
	e.Quality.Raw = math.Inf(1)
	e.Time = time.Time{}
	_, err := event.EncodeFace(e)
	for _, want := range []string{
		"schema: 0", "device: is empty", `id: ""`, "time: 0001", "box: NaN", "quality.raw: +Inf",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestRejectedAndStateMatchTheirSchemas(t *testing.T) {
	r, s := sampleRejected(), sampleState()
	rejected, err1 := event.EncodeRejected(r)
	state, err2 := event.EncodeState(s)
	stateSchema := eventtest.CompileStrict(t, event.StateSchema)
	err3 := eventtest.Validate(eventtest.CompileStrict(t, event.RejectedSchema), rejected)
	if err := errors.Join(err1, err2, err3, eventtest.Validate(stateSchema, state)); err != nil {
		t.Fatal(err)
	}
	if got, err := event.DecodeRejected(rejected); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := event.DecodeState(state); err != nil || got != s {
		t.Errorf("%+v %v", got, err)
	}
	good := map[string]any{"reason": "pose", "measure": "HeadPoseYaw", "measured": 61, "limit": 60, "unit": "deg"}
	for name, value := range map[string]any{
		"reason": "Ugly", "measure": "Head pose", "measured": "61", "limit": nil, "unit": strings.Repeat("m", 17),
	} {
		miss := maps.Clone(good)
		if miss[name] = value; value == nil {
			delete(miss, name)
		}
		refused(t, event.RejectedSchema, alter(t, rejected, "reasons", []any{good, miss}), event.DecodeRejected)
	}
	for _, reasons := range []any{[]any{}, []any{"pose"}, []any{good, nil}, good} {
		refused(t, event.RejectedSchema, alter(t, rejected, "reasons", reasons), event.DecodeRejected)
	}
	for path, value := range map[string]any{"score": 101, "components": nil, "track": 1.5, "visit": nil, "visit.id": ""} {
		refused(t, event.RejectedSchema, alter(t, rejected, path, value), event.DecodeRejected)
	}
	s.State, s.Reason, s.Detail = event.Reconnecting, "unauthorized", "the camera refuses user or password"
	state, err1 = event.EncodeState(s)
	got, err := event.DecodeState(state)
	if errors.Join(err, err1, eventtest.Validate(stateSchema, state)) != nil || got != s {
		t.Errorf("%+v %v", got, err)
	}
	for path, value := range map[string]any{
		"state": "connecting", "fps": -1, "since": "now", "reason": "No!",
		"detail": strings.Repeat("é", 513), "health": []any{}, "health.state": "", "health.since": "now",
		"health.reason": "No!", "health.measure": "Picture sharpness", "health.measured": "41", "health.limit": "60",
		"health.unit": strings.Repeat("%", 17), "health.detail": strings.Repeat("é", 513),
		"occupied": 1, "faces_last_hour": -1, "last_face.score": 101, "last_face.time": nil, "last_face.latency_ms": 0.5,
		"settings.policy": "", "settings.threshold": -1, "settings.enabled": "ON",
	} {
		refused(t, event.StateSchema, alter(t, state, path, value), event.DecodeState)
	}
}

func refused[T any](t *testing.T, schema string, data []byte, decode func([]byte) (T, error)) {
	t.Helper()
	if eventtest.Validate(eventtest.Compile(t, schema), data) == nil {
		t.Errorf("schema accepts %s", data)
	}
	if _, err := decode(data); err == nil {
		t.Errorf("decoder accepts %s", data)
	}
}

func TestDeviceAndResultMatchTheirSchemas(t *testing.T) {
	device, err1 := event.EncodeDevice(sampleDevice())
	result, err2 := event.EncodeResult(sampleResult())
	err3 := eventtest.Validate(eventtest.CompileStrict(t, event.DeviceSchema), device)
	err4 := eventtest.Validate(eventtest.CompileStrict(t, event.ResultSchema), result)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	for path, value := range map[string]any{
		"version": "", "outbox": nil, "outbox.waiting": -1, "outbox.dropped": nil, "device": "a/b",
	} {
		refused(t, event.DeviceSchema, alter(t, device, path, value), event.DecodeDevice)
	}
	for path, value := range map[string]any{
		"camera": "", "setting": "a#", "value": strings.Repeat("é", 65), "accepted": "no", "error": 1, "time": nil,
	} {
		refused(t, event.ResultSchema, alter(t, result, path, value), event.DecodeResult)
	}
	contradiction := sampleResult()
	contradiction.Accepted = true
	if _, err := event.EncodeResult(contradiction); err == nil {
		t.Error("a result is accepted and has an error")
	}
}

func TestFeedbackMatchesItsSchema(t *testing.T) {
	data, err := event.EncodeFeedback(sampleFeedback())
	if err := errors.Join(err, eventtest.Validate(eventtest.CompileStrict(t, event.FeedbackSchema), data)); err != nil {
		t.Fatal(err)
	}
	got, err := event.DecodeFeedback(data)
	if err != nil || !reflect.DeepEqual(got, sampleFeedback()) {
		t.Errorf("%+v %v", got, err)
	}
	for path, value := range map[string]any{
		"id": "7", "outcome": "maybe", "similarity": "high", "threshold": []any{}, "recogniser": "",
	} {
		refused(t, event.FeedbackSchema, alter(t, data, path, value), event.DecodeFeedback)
	}
	refused(t, event.FeedbackSchema, alter(t, data, "recogniser", strings.Repeat("é", 65)), event.DecodeFeedback)
	refused(t, event.FeedbackSchema, alter(t, data, "recogniser", "a\nb"), event.DecodeFeedback)
	for path, value := range map[string]any{"similarity": 0.39, "outcome": event.OutcomeNoMatch} {
		if _, err := event.DecodeFeedback(alter(t, data, path, value)); err == nil {
			t.Errorf("%s %v contradicts the other fields, and is accepted", path, value)
		}
	}
}
