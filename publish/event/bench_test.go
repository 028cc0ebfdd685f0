package event_test

import (
	"testing"

	"facesieve/publish/event"
)

func BenchmarkEncodeFace(b *testing.B) {
	e, err := event.DecodeFace(golden(b))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := event.EncodeFace(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeFace(b *testing.B) {
	data := golden(b)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := event.DecodeFace(data); err != nil {
			b.Fatal(err)
		}
	}
}
