package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/jpeg"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
)

func FuzzDecodeFace(f *testing.F) {
	f.Add(golden(f))
	f.Add(eventtest.FromTheFuture(f, golden(f)))
	f.Add(version2(f, "face"))
	f.Add([]byte(`{"schema":1,"id":null,"frame":{"width":[]}}`))
	face, err := event.DecodeFace(golden(f))
	if err != nil {
		f.Fatal(err)
	}
	var dot bytes.Buffer // a small image leaves the fuzzer more to do with the rest
	if err := jpeg.Encode(&dot, image.NewGray(image.Rect(0, 0, 1, 1)), nil); err != nil {
		f.Fatal(err)
	}
	face.Image = event.Image{Encoding: event.JPEG, Width: 1, Height: 1, Data: dot.Bytes()}
	seed(f, face, event.EncodeFace)
	fuzz(f, "face", event.DecodeFace)
}

func FuzzDecodeRejected(f *testing.F) {
	f.Add(version2(f, "rejected"))
	seed(f, sampleRejected(), event.EncodeRejected)
	fuzz(f, "rejected", event.DecodeRejected)
}

func FuzzDecodeState(f *testing.F) {
	f.Add(version2(f, "state"))
	seed(f, sampleState(), event.EncodeState)
	fuzz(f, "state", event.DecodeState)
}

func sampleRejected() event.Rejected {
	r := eventtest.Rejected()
	r.Schema, r.Device, r.Time = event.Version, "gate", r.Time.UTC()
	r.Visit.FirstSeen, r.Visit.LastSeen = r.Visit.FirstSeen.UTC(), r.Visit.LastSeen.UTC()
	return r
}

func sampleState() event.State {
	return event.State{
		Schema: event.Version, Device: "gate", Camera: "door", State: event.Running, FPS: 12.5,
		Since: time.Unix(0, 0).UTC(), Health: event.Health{
			State: event.HealthDegraded, Since: time.Unix(60, 0).UTC(), Reason: "dirty_or_out_of_focus",
			Measure: "PictureSharpness", Measured: 41, Limit: 60, Unit: "%", Detail: "clean the lens or refocus",
		},
		Occupied: true, FacesLastHour: 12,
		LastFace: event.LastFace{Time: time.Unix(90, 0).UTC(), Score: 71.5, LatencyMS: 3012},
		Settings: event.Settings{Enabled: true, Threshold: 20, Policy: "best"},
	}
}

func sampleDevice() event.Device {
	return event.Device{
		Schema: event.Version, Device: "gate", Version: "1.4.0", Outbox: event.Outbox{Waiting: 3, Dropped: 1},
	}
}

func sampleResult() event.Result {
	return event.Result{
		Schema: event.Version, Device: "gate", Camera: "door", Setting: event.SettingThreshold, Value: "200",
		Error: "200 is outside 0..100", Time: time.Unix(0, 0).UTC(),
	}
}

func sampleFeedback() event.Feedback {
	similarity, threshold := 0.61, 0.4
	return event.Feedback{
		Schema: event.Version, ID: "01890a5d-ac96-774b-bcce-b302099a8057", Outcome: event.OutcomeMatch,
		Similarity: &similarity, Threshold: &threshold, Recogniser: "arcface-r50 2.1",
	}
}

func FuzzDecodeDevice(f *testing.F) {
	seed(f, sampleDevice(), event.EncodeDevice)
	fuzz(f, "device", event.DecodeDevice)
}

func FuzzDecodeResult(f *testing.F) {
	seed(f, sampleResult(), event.EncodeResult)
	fuzz(f, "result", event.DecodeResult)
}

func FuzzDecodeFeedback(f *testing.F) {
	seed(f, sampleFeedback(), event.EncodeFeedback)
	fuzz(f, "feedback", event.DecodeFeedback)
}

func FuzzParseSet(f *testing.F) {
	topics := event.NewTopics("facesieve/gate")
	f.Add(topics.Set("door", event.SettingPolicy))
	f.Fuzz(func(t *testing.T, topic string) {
		if camera, setting, ok := topics.ParseSet(topic); ok && topics.Set(camera, setting) != topic {
			t.Errorf("%q: %q %q", topic, camera, setting)
		}
	})
}

func seed[T any](f *testing.F, v T, encode func(T) ([]byte, error)) {
	data, err := encode(v)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(eventtest.FromTheFuture(f, data))
}

// fuzz checks that the schema of a message's version accepts what the decoder accepts, and that an encoded value is
// decoded to the same value. No program encodes an earlier version.
func fuzz[T any](f *testing.F, kind string, decode func([]byte) (T, error)) {
	schemas := map[int]*jsonschema.Schema{event.Version: eventtest.Compile(f, publishedSchema(kind))}
	if !slices.Contains([]string{"device", "result", "feedback"}, kind) { // which version 3 added
		schemas[2] = eventtest.Compile(f, string(version2(f, kind+".schema")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := decode(data)
		if err != nil {
			return
		}
		var header struct{ Schema int }
		var document any // with numbers rounded to float64, as readers decode them
		if err := errors.Join(json.Unmarshal(data, &header), json.Unmarshal(data, &document)); err != nil {
			t.Fatal(err)
		}
		if err := schemas[header.Schema].Validate(document); err != nil {
			t.Fatalf("the decoder accepts what the schema refuses: %v", err)
		}
		if header.Schema != event.Version {
			return
		}
		encoded, err := json.Marshal(v) // an encoder would refuse the keywords of a later program
		if err != nil {
			t.Fatal(err)
		}
		if decoded, err := decode(encoded); err != nil || !reflect.DeepEqual(v, decoded) {
			t.Fatalf("%v\n%+v\n%+v", err, v, decoded)
		}
	})
}

func publishedSchema(kind string) string {
	return map[string]string{
		"face": event.FaceSchema, "rejected": event.RejectedSchema, "state": event.StateSchema,
		"device": event.DeviceSchema, "result": event.ResultSchema, "feedback": event.FeedbackSchema,
	}[kind]
}
