package frame

import (
	"bytes"
	"errors"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
)

func TestScanner(t *testing.T) {
	stream := append([]byte{0xc0, 0, 0x30, 0x80, 1}, make([]byte, 128)...) // a ping, and a publish of 128 bytes
	for step := 1; step <= len(stream); step++ {
		var f Scanner
		packets := 0
		for i := 0; i < len(stream); i += step {
			n, err := f.Scan(stream[i:min(i+step, len(stream))], 128)
			if err != nil {
				t.Fatal(step, err)
			}
			packets += n
		}
		if packets != 2 || f.Open() {
			t.Error(step, packets, f.Open())
		}
	}
	for text, want := range map[string]error{
		"\x30\x81\x01":             ErrSize,
		"\x30\xff\xff\xff\x7f":     ErrSize,
		"\x30\x80\x80\x80\x80\x00": ErrLength,
	} {
		if _, err := new(Scanner).Scan([]byte(text), 128); !errors.Is(err, want) {
			t.Errorf("%x: %v", text, err)
		}
	}
}

// The packet boundaries are those of the server's own decoder, however the bytes are split.
func FuzzScanner(f *testing.F) {
	f.Add([]byte{0xc0, 0, 0x30, 0x80, 1, 5}, 3)
	f.Add([]byte{0x30, 0x80, 0x80, 0x80, 0x80, 0x30}, 1)
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0x7f}, 1)
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		const limit = 200
		step = max(1, step%8)
		var s Scanner
		got := 0
		var err error
		for i := 0; i < len(stream) && err == nil; i += step {
			var n int
			n, err = s.Scan(stream[i:min(i+step, len(stream))], limit)
			got += n
		}
		want, bad := 0, false
		for in := bytes.NewReader(stream); in.Len() > 0; {
			_, _ = in.ReadByte()
			length, digits, e := packets.DecodeLength(in)
			if e != nil || digits > 4 || length > limit || length > in.Len() { // the server takes five of them
				bad = e != nil && in.Len() > 0 || digits > 4 || e == nil && length > limit
				break
			}
			_, _ = in.Seek(int64(length), 1)
			want++
		}
		if got != want || bad && err == nil {
			t.Errorf("%x: %d packets and %v, not %d", stream, got, err, want)
		}
	})
}
