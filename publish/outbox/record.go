package outbox

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

// record is an event as a store keeps it. A record that lists the content of a file has a size, but no data.
type record struct {
	key     uint64
	camera  string
	score   float64
	created time.Duration // on the clock of the store
	size    int           // of data, in bytes
	data    []byte
}

// errDamaged means that one record cannot be read. The file may be sound otherwise.
var errDamaged = errors.New("entry is damaged")

// The value of a record in the file is its version, its protection, and
//
//	plain:  CRC-32C of key and body (4 bytes), body
//	sealed: nonce (24 bytes), body sealed by XChaCha20-Poly1305; version, protection and key are authenticated with it
//
// The body is the time of creation in nanoseconds (8), the score (8, bits of a float64), the length of the camera's
// name (2), the name, the data. Numbers are big-endian.
const (
	recordVersion = 1
	plain         = 0
	sealed        = 1
	plainHead     = 6  // version, protection, checksum
	bodyHead      = 18 // of the body before the name
)

// encode returns the value of a record, sealed if there is a key.
func encode(r record, key cipher.AEAD) []byte {
	body := make([]byte, bodyHead, bodyHead+len(r.camera)+len(r.data))
	binary.BigEndian.PutUint64(body, uint64(r.created)) //nolint:gosec // never negative
	binary.BigEndian.PutUint64(body[8:], math.Float64bits(r.score))
	binary.BigEndian.PutUint16(body[16:], uint16(len(r.camera))) //nolint:gosec // a name is short
	body = append(append(body, r.camera...), r.data...)
	if key == nil {
		value := binary.BigEndian.AppendUint32([]byte{recordVersion, plain}, checksum(r.key, body))
		return append(value, body...)
	}
	return seal([]byte{recordVersion, sealed}, r.key, body, key)
}

// decode returns the record of a value, or errDamaged. Its data is a copy.
func decode(number uint64, value []byte, key cipher.AEAD) (record, error) {
	if len(value) < 2 || value[0] != recordVersion {
		return record{}, fmt.Errorf("%w: not of version %d", errDamaged, recordVersion)
	}
	var body []byte
	switch {
	case value[1] == plain && len(value) >= plainHead:
		body = append(body, value[plainHead:]...)
		if binary.BigEndian.Uint32(value[2:]) != checksum(number, body) {
			return record{}, fmt.Errorf("%w: wrong checksum", errDamaged)
		}
	case value[1] == sealed && key != nil:
		var err error
		if body, err = unseal(value, 2, number, key); err != nil {
			return record{}, fmt.Errorf("%w: %w", errDamaged, err)
		}
	default:
		return record{}, errDamaged
	}
	return parseBody(number, body)
}

func parseBody(number uint64, body []byte) (record, error) {
	if len(body) < bodyHead {
		return record{}, fmt.Errorf("%w: too short", errDamaged)
	}
	created := binary.BigEndian.Uint64(body)
	score := math.Float64frombits(binary.BigEndian.Uint64(body[8:]))
	end := bodyHead + int(binary.BigEndian.Uint16(body[16:]))
	if created > math.MaxInt64 || math.IsNaN(score) || end > len(body) {
		return record{}, fmt.Errorf("%w: invalid age, score or name", errDamaged)
	}
	return record{
		key: number, camera: string(body[bodyHead:end]), score: score, created: time.Duration(created),
		size: len(body) - end, data: body[end:],
	}, nil
}

func checksum(number uint64, body []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // the library makes it once
	return crc32.Update(crc32.Checksum(binary.BigEndian.AppendUint64(nil, number), table), table, body)
}

// seal appends a nonce and the sealed text to head. It authenticates head and number with the text.
func seal(head []byte, number uint64, text []byte, key cipher.AEAD) []byte {
	nonce := make([]byte, key.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	context := binary.BigEndian.AppendUint64(head[:len(head):len(head)], number)
	return key.Seal(append(head, nonce...), nonce, text, context)
}

// unseal opens what seal has made with a head of so many bytes.
func unseal(value []byte, head int, number uint64, key cipher.AEAD) ([]byte, error) {
	if len(value) < head+key.NonceSize() {
		return nil, errDamaged
	}
	nonce, text := value[head:head+key.NonceSize()], value[head+key.NonceSize():]
	return key.Open(nil, nonce, text, binary.BigEndian.AppendUint64(value[:head:head], number))
}
