package publish

import (
	"bytes"
	"encoding/json"
	"image"
	"image/jpeg"
	"reflect"
	"testing"
	"time"
)

func FuzzDecodeEvent(f *testing.F) {
	f.Add(golden(f))
	f.Add([]byte(`{"schema":1,"id":null,"frame":{"width":[]}}`))
	e, err := DecodeEvent(golden(f))
	if err != nil {
		f.Fatal(err)
	}
	var dot bytes.Buffer // a small picture leaves the fuzzer more to do with the rest
	if err := jpeg.Encode(&dot, image.NewGray(image.Rect(0, 0, 1, 1)), nil); err != nil {
		f.Fatal(err)
	}
	e.Image = Image{Encoding: JPEG, Width: 1, Height: 1, Data: dot.Bytes()}
	small, err := EncodeEvent(e)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(small)
	fuzz(f, EventSchema, DecodeEvent)
}

func FuzzDecodeRejected(f *testing.F) {
	r := sampleRejected()
	r.Schema, r.Device, r.Time = SchemaVersion, "gate", utc(r.Time)
	seed(f, &r)
	fuzz(f, RejectedSchema, DecodeRejected)
}

func FuzzDecodeState(f *testing.F) {
	seed(f, &State{Schema: SchemaVersion, Device: "gate", Camera: "door", State: Running, FPS: 12.5, Since: time.Unix(0, 0).UTC()})
	fuzz(f, StateSchema, DecodeState)
}

func seed[T any, F form[T]](f *testing.F, v F) {
	data, err := encode(v, "seed")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
}

// fuzz checks that what the decoder accepts is what the schema accepts, and comes back the same.
func fuzz[T any, F form[T]](f *testing.F, text []byte, decode func([]byte) (T, error)) {
	schema := compile(f, text)
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := decode(data)
		if err != nil {
			return
		}
		var seen any // with numbers rounded to float64, as readers see them
		if err := json.Unmarshal(data, &seen); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(seen); err != nil {
			t.Fatalf("decoder accepts what the schema refuses: %v", err)
		}
		again, err := encode(F(&v), "again")
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := decode(again); err != nil || !reflect.DeepEqual(v, twice) {
			t.Fatalf("%v\n%+v\n%+v", err, v, twice)
		}
	})
}
