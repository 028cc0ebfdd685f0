package outbox

import (
	"bytes"
	"crypto/cipher"
	"reflect"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

func testCipher(t testing.TB) cipher.AEAD {
	t.Helper()
	c, err := chacha20poly1305.NewX(bytes.Repeat([]byte{7}, chacha20poly1305.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var sample = record{key: 42, camera: "door", score: 71.5, created: time.Hour, size: 12, data: []byte(`{"schema":1}`)}

// A change of any bit of a record or of its key is found.
func TestDamagedRecords(t *testing.T) {
	for _, with := range []cipher.AEAD{nil, testCipher(t)} {
		value := encode(sample, with)
		if got, err := decode(42, value, with); err != nil || !reflect.DeepEqual(got, sample) {
			t.Fatalf("%+v %v", got, err)
		}
		if _, err := decode(43, value, with); err == nil {
			t.Error("accepted with another key")
		}
		for i := range value {
			for bit := range 8 {
				damaged := bytes.Clone(value)
				damaged[i] ^= 1 << bit
				if _, err := decode(42, damaged, with); err == nil {
					t.Errorf("byte %d, bit %d is not found", i, bit)
				}
			}
			if _, err := decode(42, value[:i], with); err == nil {
				t.Errorf("%d of %d bytes are accepted", i, len(value))
			}
		}
	}
	if _, err := decode(42, encode(sample, testCipher(t)), nil); err == nil {
		t.Error("a sealed record is read without a key")
	}
}

func FuzzDecodeRecord(f *testing.F) {
	with := testCipher(f)
	plainValue := encode(sample, nil)
	f.Add(uint64(42), plainValue, plainValue[6:])
	f.Add(uint64(42), encode(sample, with), []byte{})
	f.Add(uint64(0), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, key uint64, value, body []byte) {
		for _, try := range []cipher.AEAD{nil, with} {
			r, err := decode(key, value, try)
			if err == nil && value[1] == plain && !bytes.Equal(encode(r, nil), value) {
				t.Errorf("%+v is encoded differently", r)
			}
		}
		if r, err := parseBody(key, body); err == nil { // without the checksum, which a fuzzer hardly finds
			if again := encode(r, nil)[6:]; !bytes.Equal(again, body) {
				t.Errorf("%+v is encoded differently", r)
			}
		}
	})
}
