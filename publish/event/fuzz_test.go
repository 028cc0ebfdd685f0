package event_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/jpeg"
	"reflect"
	"testing"
	"time"

	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
)

func FuzzDecodeFace(f *testing.F) {
	f.Add(golden(f))
	f.Add(eventtest.FromTheFuture(f, golden(f)))
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
	fuzz(f, event.FaceSchema, event.DecodeFace)
}

func FuzzDecodeRejected(f *testing.F) {
	r := eventtest.Rejected()
	r.Schema, r.Device = event.Version, "gate"
	seed(f, r, event.EncodeRejected)
	fuzz(f, event.RejectedSchema, event.DecodeRejected)
}

func FuzzDecodeState(f *testing.F) {
	seed(f, sampleState(), event.EncodeState)
	fuzz(f, event.StateSchema, event.DecodeState)
}

func sampleState() event.State {
	return event.State{
		Schema: event.Version, Device: "gate", Camera: "door", State: event.Running, FPS: 12.5,
		Since: time.Unix(0, 0).UTC(),
	}
}

func seed[T any](f *testing.F, v T, encode func(T) ([]byte, error)) {
	data, err := encode(v)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(eventtest.FromTheFuture(f, data))
}

// fuzz checks that the schema accepts what the decoder accepts, and that an encoded value is decoded to the same value.
func fuzz[T any](f *testing.F, text string, decode func([]byte) (T, error)) {
	schema := eventtest.Compile(f, text)
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := decode(data)
		if err != nil {
			return
		}
		var document any // with numbers rounded to float64, as readers decode them
		if err := json.Unmarshal(data, &document); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(document); err != nil {
			t.Fatalf("the decoder accepts what the schema refuses: %v", err)
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
