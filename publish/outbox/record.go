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

var errCorrupt = errors.New("entry is damaged")

// An entry in the file is a version, how it is protected, and
//
//	plain:  CRC-32C of key and body (4 bytes), body
//	sealed: nonce (24 bytes), body sealed by XChaCha20-Poly1305; version, protection and key are authenticated with it
//
// and the body is born in nanoseconds (8), score (8, as bits of a float64), length of the camera's name (2), the name,
// the data. Numbers are big-endian.
const (
	entryVersion = 1
	plain        = 0
	sealed       = 1
	bodyHead     = 18
)

// encode writes a record; without a cipher, plain.
func encode(r record, with cipher.AEAD) []byte {
	body := make([]byte, bodyHead, bodyHead+len(r.camera)+len(r.data))
	binary.BigEndian.PutUint64(body, uint64(r.born)) //nolint:gosec // never negative
	binary.BigEndian.PutUint64(body[8:], math.Float64bits(r.score))
	binary.BigEndian.PutUint16(body[16:], uint16(len(r.camera))) //nolint:gosec // a name is short
	body = append(append(body, r.camera...), r.data...)
	if with == nil {
		out := binary.BigEndian.AppendUint32([]byte{entryVersion, plain}, checksum(r.key, body))
		return append(out, body...)
	}
	return seal([]byte{entryVersion, sealed}, r.key, body, with)
}

// seal appends nonce and sealed text to head, which is authenticated together with the key.
func seal(head []byte, key uint64, text []byte, with cipher.AEAD) []byte {
	nonce := make([]byte, with.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	context := binary.BigEndian.AppendUint64(head[:len(head):len(head)], key)
	return with.Seal(append(head, nonce...), nonce, text, context)
}

// unseal is the opposite of seal for what follows a head of n bytes.
func unseal(value []byte, n int, key uint64, with cipher.AEAD) ([]byte, error) {
	if len(value) < n+with.NonceSize() {
		return nil, errCorrupt
	}
	nonce, text := value[n:n+with.NonceSize()], value[n+with.NonceSize():]
	return with.Open(nil, nonce, text, binary.BigEndian.AppendUint64(value[:n:n], key))
}

// decode reads a record; its data is a copy.
func decode(key uint64, value []byte, with cipher.AEAD) (record, error) {
	if len(value) < 2 || value[0] != entryVersion {
		return record{}, fmt.Errorf("%w: not of version %d", errCorrupt, entryVersion)
	}
	var body []byte
	switch {
	case value[1] == plain && len(value) >= 6:
		body = append(body, value[6:]...)
		if binary.BigEndian.Uint32(value[2:]) != checksum(key, body) {
			return record{}, fmt.Errorf("%w: wrong checksum", errCorrupt)
		}
	case value[1] == sealed && with != nil:
		var err error
		if body, err = unseal(value, 2, key, with); err != nil {
			return record{}, fmt.Errorf("%w: %w", errCorrupt, err)
		}
	default:
		return record{}, errCorrupt
	}
	return parse(key, body)
}

func parse(key uint64, body []byte) (record, error) {
	if len(body) < bodyHead {
		return record{}, fmt.Errorf("%w: too short", errCorrupt)
	}
	born := binary.BigEndian.Uint64(body)
	score := math.Float64frombits(binary.BigEndian.Uint64(body[8:]))
	end := bodyHead + int(binary.BigEndian.Uint16(body[16:]))
	if born > math.MaxInt64 || math.IsNaN(score) || end > len(body) {
		return record{}, fmt.Errorf("%w: no such age, score or name", errCorrupt)
	}
	return record{
		key: key, camera: string(body[bodyHead:end]), score: score, born: time.Duration(born), data: body[end:],
	}, nil
}

func checksum(key uint64, body []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // made once by the library
	return crc32.Update(crc32.Checksum(binary.BigEndian.AppendUint64(nil, key), table), table, body)
}
