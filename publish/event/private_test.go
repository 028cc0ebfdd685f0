package event_test

import (
	"reflect"
	"testing"
	"time"

	"facesieve/publish/event"
)

// No message can carry an embedding, a vector of many numbers: a list of numbers has a fixed length of at most 6 in all.
// The exceptions are the bytes of an image, which the decoders compare with its header, and maps, in which the encoders
// accept few names.
func TestMessagesHaveNoVector(t *testing.T) {
	const most = 6 // of Transform
	for _, kind := range []reflect.Type{
		reflect.TypeFor[event.Face](), reflect.TypeFor[event.Rejected](), reflect.TypeFor[event.State](),
		reflect.TypeFor[event.Device](), reflect.TypeFor[event.Result](), reflect.TypeFor[event.Feedback](),
	} {
		if n := longestVector(t, kind, kind.Name()); n > most {
			t.Errorf("%v has a vector of %d numbers", kind, n)
		}
	}
	if n := longestVector(t, reflect.TypeFor[struct{ Values [4][32]float32 }](), "example"); n != 128 {
		t.Errorf("a vector of 4x32 numbers has %d", n)
	}
}

// longestVector returns the greatest number of numbers in an array of a type.
func longestVector(t *testing.T, kind reflect.Type, path string) (longest int) {
	t.Helper()
	switch {
	case kind == reflect.TypeFor[event.Labels](), kind == reflect.TypeFor[event.Components](),
		kind == reflect.TypeFor[time.Time](), path == "Face.Image.Data":
		return 0
	}
	switch kind.Kind() {
	case reflect.Struct:
		for field := range kind.NumField() {
			f := kind.Field(field)
			longest = max(longest, longestVector(t, f.Type, path+"."+f.Name))
		}
	case reflect.Array:
		return kind.Len() * max(1, longestVector(t, kind.Elem(), path))
	case reflect.Slice:
		if kind.Elem() != reflect.TypeFor[event.Miss]() { // the encoder bounds their number
			t.Errorf("%s has any length", path)
		}
		return longestVector(t, kind.Elem(), path)
	case reflect.Pointer: // an optional number
		if kind.Elem().Kind() != reflect.Float64 {
			t.Errorf("%s is a %v", path, kind)
		}
	case reflect.Map, reflect.Interface:
		t.Errorf("%s is a %v", path, kind)
	}
	return longest
}
