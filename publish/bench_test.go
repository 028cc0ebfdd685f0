package publish

import "testing"

func BenchmarkEncodeEvent(b *testing.B) {
	e, err := DecodeEvent(golden(b))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := EncodeEvent(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeEvent(b *testing.B) {
	data := golden(b)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := DecodeEvent(data); err != nil {
			b.Fatal(err)
		}
	}
}
