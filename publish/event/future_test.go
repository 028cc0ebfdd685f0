package event_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
)

// A decoder ignores the fields that a later program of the same schema version adds, and returns added labels,
// components and keywords. The published schemas accept them all.
func TestMessagesFromTheFuture(t *testing.T) {
	face, err := event.DecodeFace(golden(t))
	if err != nil {
		t.Fatal(err)
	}
	rejected := sampleRejected()
	future(t, face, event.FaceSchema, event.EncodeFace, event.DecodeFace, func(want *event.Face) {
		want.Policy = "daily"
		want.Quality.Labels, want.Quality.Components = extended(want.Quality.Labels, want.Quality.Components)
	})
	future(t, rejected, event.RejectedSchema, event.EncodeRejected, event.DecodeRejected, func(want *event.Rejected) {
		want.Reasons = append(want.Reasons, event.Miss{
			Reason: "covered", Measure: "FaceOcclusion", Measured: 0.8, Limit: 0.5, Unit: "share",
		})
		want.Labels, want.Components = extended(want.Labels, want.Components)
	})
	future(t, sampleState(), event.StateSchema, event.EncodeState, event.DecodeState, func(want *event.State) {
		want.Settings.Policy = "daily"
	})
	future(t, sampleDevice(), event.DeviceSchema, event.EncodeDevice, event.DecodeDevice, func(*event.Device) {})
	future(t, sampleResult(), event.ResultSchema, event.EncodeResult, event.DecodeResult, func(*event.Result) {})
	future(t, sampleFeedback(), event.FeedbackSchema, event.EncodeFeedback, event.DecodeFeedback, func(*event.Feedback) {})
}

// extended returns labels and components with those that eventtest.FromTheFuture adds.
func extended(labels event.Labels, components event.Components) (event.Labels, event.Components) {
	labels, components = maps.Clone(labels), maps.Clone(components)
	for i := range 9 {
		labels[fmt.Sprintf("label_%d", i)] = 0.5
	}
	components["BackgroundUniformity"] = 55.5
	return labels, components
}

// future extends a message and decodes it; extend changes the wanted value in the same way.
func future[T any](t *testing.T, want T, schema string, encode func(T) ([]byte, error), decode func([]byte) (T, error),
	extend func(want *T),
) {
	t.Helper()
	data, err := encode(want)
	if err != nil {
		t.Fatal(err)
	}
	data = eventtest.FromTheFuture(t, data)
	if err := eventtest.Validate(eventtest.Compile(t, schema), data); err != nil {
		t.Errorf("the schema refuses %s: %v", data, err)
	}
	if eventtest.Validate(eventtest.CompileStrict(t, schema), data) == nil {
		t.Errorf("the strict schema accepts %s", data)
	}
	got, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	extend(&want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	_, err = decode(alter(t, data, "schema", event.Version+1))
	const fix = ": this reader supports 2 and 3: update this reader"
	if !errors.Is(err, event.ErrVersion) || !strings.HasSuffix(err.Error(), fix) {
		t.Error(err)
	}
}

// A message without health has a zero one; a decoder returns a state of health and a reason of a later program.
func TestHealthOfOtherPrograms(t *testing.T) {
	sample := sampleState()
	sample.Health = event.Health{}
	data, err := event.EncodeState(sample)
	if got, decodeErr := event.DecodeState(data); errors.Join(err, decodeErr) != nil || got != sample ||
		strings.Contains(string(data), "health") {
		t.Errorf("%s, %+v %v", data, got, errors.Join(err, decodeErr))
	}
	later := event.Health{State: "frozen", Since: sample.Since, Reason: "same_picture"}
	got, err := event.DecodeState(alter(t, data, "health", later))
	if err != nil || got.Health != later {
		t.Errorf("%+v %v", got.Health, err)
	}
	for want, health := range map[string]event.Health{
		`health.state: "frozen" is none of`: later,
		`health.reason: "" of state`:        {State: event.HealthDegraded, Since: sample.Since},
		`health.reason: "dark" of state`:    {State: event.HealthOK, Since: sample.Since, Reason: "dark"},
		"health.since: 0001":                {State: event.HealthOK},
	} {
		sample.Health = health
		if _, err := event.EncodeState(sample); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// The encoders do not accept what the decoders accept of a later program.
func TestEncodersAreStrict(t *testing.T) {
	good := eventtest.Face("door", 7)
	good.Schema, good.Device, good.ID = event.Version, "gate", "01955178-7ac3-7e8c-8b24-889cb537aaf1"
	if _, err := event.EncodeFace(good); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*event.Face){
		`policy: "worst" is none of`: func(f *event.Face) { f.Policy = "worst" },
		"labels: there are 9, not 0 to 8": func(f *event.Face) {
			f.Quality.Labels = event.Labels{"a": 0, "b": 0, "c": 0, "d": 0, "e": 0, "f": 0, "g": 0, "h": 0, "i": 0}
		},
		"components.Beauty: is none of": func(f *event.Face) {
			f.Quality.Components = maps.Clone(f.Quality.Components)
			f.Quality.Components["Beauty"] = 50
		},
	} {
		face := good
		change(&face)
		if _, err := event.EncodeFace(face); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for want, reasons := range map[string][]event.Miss{
		`reasons: "ugly" is none of`: {{Reason: "ugly"}},
		`reasons: "pose" appears twice`: {
			{Reason: "pose", Measure: "HeadPoseYaw", Measured: 61}, {Reason: "pose", Measure: "HeadPoseYaw", Measured: 62},
		},
		"reasons: there are 17, not 1 to 16": make([]event.Miss, 17),
	} {
		rejected := sampleRejected()
		rejected.Reasons = reasons
		if _, err := event.EncodeRejected(rejected); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Schemas and decoders accept an unknown field in each object of a message.
func TestUnknownFieldsEverywhere(t *testing.T) {
	rejected, err1 := event.EncodeRejected(sampleRejected())
	state, err2 := event.EncodeState(sampleState())
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	objects := 0
	for _, m := range []struct {
		schema  string
		message []byte
		decode  func([]byte) error
	}{
		{event.FaceSchema, golden(t), func(data []byte) error { _, err := event.DecodeFace(data); return err }},
		{event.RejectedSchema, rejected, func(data []byte) error { _, err := event.DecodeRejected(data); return err }},
		{event.StateSchema, state, func(data []byte) error { _, err := event.DecodeState(data); return err }},
	} {
		schema := eventtest.Compile(t, m.schema)
		var root map[string]any
		if err := json.Unmarshal(m.message, &root); err != nil {
			t.Fatal(err)
		}
		eachObject(root, func(object map[string]any) {
			objects++
			object["later"] = 0.5 // a label and a component must be a number
			data, err := json.Marshal(root)
			if err := errors.Join(err, eventtest.Validate(schema, data), m.decode(data)); err != nil {
				t.Errorf("%s: %v", data, err)
			}
			delete(object, "later")
		})
	}
	if objects != 9+8+4 {
		t.Errorf("%d objects", objects)
	}
}

// eachObject calls visit for each object in a JSON value.
func eachObject(value any, visit func(map[string]any)) {
	switch value := value.(type) {
	case map[string]any:
		visit(value)
		for _, v := range value {
			eachObject(v, visit)
		}
	case []any:
		for _, v := range value {
			eachObject(v, visit)
		}
	}
}
