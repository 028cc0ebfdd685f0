package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// ErrVersion is in the error of a decoder that was given a message of another version than Version.
var ErrVersion = errors.New("unknown schema version")

// MaxPayload bounds a message, in bytes. A Face with the largest image is smaller.
const MaxPayload = 1 << 20

// EncodeFace checks a face and returns it as JSON on one line. The error has all faults. Times are converted to UTC.
func EncodeFace(f Face) ([]byte, error) {
	f.Time = utc(f.Time)
	return encode(&f, "event")
}

// EncodeRejected is EncodeFace for a rejected face.
func EncodeRejected(r Rejected) ([]byte, error) {
	r.Time = utc(r.Time)
	return encode(&r, "rejected face")
}

// EncodeState is EncodeFace for the state of a camera.
func EncodeState(s State) ([]byte, error) {
	s.Since = utc(s.Since)
	return encode(&s, "state")
}

// DecodeFace reads the payload of a face topic. It accepts what FaceSchema accepts, if the image is what its fields
// state.
func DecodeFace(payload []byte) (Face, error) { return decode[Face](payload, "event") }

// DecodeRejected reads the payload of a rejected topic. It accepts what RejectedSchema accepts.
func DecodeRejected(payload []byte) (Rejected, error) {
	return decode[Rejected](payload, "rejected face")
}

// DecodeState reads the payload of a state topic. It accepts what StateSchema accepts.
func DecodeState(payload []byte) (State, error) { return decode[State](payload, "state") }

// message is a pointer to a Face, a Rejected or a State.
type message[T any] interface {
	*T
	// check returns all faults. A sender must also keep to what only a later program may extend.
	check(sending bool) error
}

func encode[T any, M message[T]](m M, what string) ([]byte, error) {
	if err := m.check(true); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return data, nil
}

func decode[T any, M message[T]](payload []byte, what string) (T, error) {
	var value, none T
	if err := unmarshal(payload, &value, reflect.TypeFor[T]()); err != nil {
		return none, fmt.Errorf("%s: %w", what, err)
	}
	if err := M(&value).check(false); err != nil {
		return none, fmt.Errorf("%s: %w", what, err)
	}
	return value, nil
}

func unmarshal(payload []byte, v any, t reflect.Type) error {
	if len(payload) > MaxPayload {
		return fmt.Errorf("%d bytes are more than %d", len(payload), MaxPayload)
	}
	if err := checkVersion(payload); err != nil { // first: it explains all further faults
		return err
	}
	if err := json.Unmarshal(payload, v); err != nil {
		return err
	}
	return checkMembers(payload, t)
}

func checkVersion(payload []byte) error {
	var header struct {
		Schema *int `json:"schema"`
	}
	err := json.Unmarshal(payload, &header)
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &mismatch) && mismatch.Field == "":
		return fmt.Errorf("a JSON %s, not an object", mismatch.Value)
	case err != nil:
		return err
	case header.Schema == nil:
		return errors.New("schema: missing")
	case *header.Schema > Version:
		return fmt.Errorf("%w %d: this reader supports %d: update this reader", ErrVersion, *header.Schema, Version)
	case *header.Schema < Version:
		return fmt.Errorf("%w %d: this reader supports %d: update facesieve on the device", ErrVersion, *header.Schema,
			Version)
	}
	return nil
}

// utc removes the monotonic clock and the zone, so that equal times are equal values and end in Z.
func utc(t time.Time) time.Time { return t.Round(0).UTC() }
