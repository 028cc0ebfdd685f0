package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// oldestVersion is the oldest version that decoders accept: that of devices that are not updated yet, and of events that
// waited in the outbox of a device while it was updated.
const oldestVersion = 2

// ErrVersion is in the error of a decoder that was given a message of a version that it does not accept.
var ErrVersion = errors.New("unknown schema version")

// MaxPayload bounds a message, in bytes. A Face with the largest image is smaller.
const MaxPayload = 1 << 20

// EncodeFace checks a face and returns it as JSON on one line. The error has all faults. Times are converted to UTC.
func EncodeFace(f Face) ([]byte, error) {
	f.Time, f.Visit = utc(f.Time), f.Visit.utc()
	return encode(&f, "event")
}

// EncodeRejected is EncodeFace for a rejected face.
func EncodeRejected(r Rejected) ([]byte, error) {
	r.Time, r.Visit = utc(r.Time), r.Visit.utc()
	return encode(&r, "rejected face")
}

// EncodeState is EncodeFace for the state of a camera.
func EncodeState(s State) ([]byte, error) {
	s.Since, s.Health.Since, s.LastFace.Time = utc(s.Since), utc(s.Health.Since), utc(s.LastFace.Time)
	return encode(&s, "state")
}

// EncodeDevice is EncodeFace for the state of the device.
func EncodeDevice(d Device) ([]byte, error) { return encode(&d, "state of the device") }

// EncodeResult is EncodeFace for the answer to a command.
func EncodeResult(r Result) ([]byte, error) {
	r.Time = utc(r.Time)
	return encode(&r, "result")
}

// EncodeFeedback is EncodeFace for the feedback of a recogniser.
func EncodeFeedback(f Feedback) ([]byte, error) { return encode(&f, "feedback") }

// DecodeFace reads the payload of a face topic. It accepts what FaceSchema accepts, if the image is what its fields
// state, and messages of version 2.
func DecodeFace(payload []byte) (Face, error) {
	f, err := decode[Face](payload, "event")
	if f.Schema == oldestVersion {
		f.Visit, f.LatencyMS = Visit{}, NotAssessed
	}
	return f, err
}

// DecodeRejected reads the payload of a rejected topic. It accepts what RejectedSchema accepts, and messages of version
// 2.
func DecodeRejected(payload []byte) (Rejected, error) {
	r, err := decode[Rejected](payload, "rejected face")
	if r.Schema == oldestVersion {
		r.Visit = Visit{}
	}
	return r, err
}

// DecodeState reads the payload of a state topic. It accepts what StateSchema accepts, and messages of version 2.
func DecodeState(payload []byte) (State, error) { return decode[State](payload, "state") }

// DecodeDevice reads the payload of a device topic. It accepts what DeviceSchema accepts.
func DecodeDevice(payload []byte) (Device, error) {
	return decode[Device](payload, "state of the device")
}

// DecodeResult reads the payload of a result topic. It accepts what ResultSchema accepts.
func DecodeResult(payload []byte) (Result, error) { return decode[Result](payload, "result") }

// DecodeFeedback reads the payload of a feedback topic. It accepts what FeedbackSchema accepts, if similarity and
// threshold agree with the outcome.
func DecodeFeedback(payload []byte) (Feedback, error) { return decode[Feedback](payload, "feedback") }

// message is a pointer to a Face, a Rejected, a State, a Device, a Result or a Feedback.
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
	version, err := versionOf(payload)
	if err != nil { // first: it explains all further faults
		return err
	}
	if err := json.Unmarshal(payload, v); err != nil {
		return err
	}
	return checkMembers(payload, t, version)
}

// versionOf returns the version of a message, or an error if decoders do not accept it.
func versionOf(payload []byte) (int, error) {
	var header struct {
		Schema *int `json:"schema"`
	}
	err := json.Unmarshal(payload, &header)
	var mismatch *json.UnmarshalTypeError
	const versions = "%w %d: this reader supports %d and %d: update %s"
	switch {
	case errors.As(err, &mismatch) && mismatch.Field == "":
		return 0, fmt.Errorf("a JSON %s, not an object", mismatch.Value)
	case err != nil:
		return 0, err
	case header.Schema == nil:
		return 0, errors.New("schema: missing")
	case *header.Schema > Version:
		return 0, fmt.Errorf(versions, ErrVersion, *header.Schema, oldestVersion, Version, "this reader")
	case *header.Schema < oldestVersion:
		return 0, fmt.Errorf(versions, ErrVersion, *header.Schema, oldestVersion, Version, "facesieve on the device")
	}
	return *header.Schema, nil
}

// utc removes the monotonic clock and the zone, so that equal times are equal values and end in Z.
func utc(t time.Time) time.Time { return t.Round(0).UTC() }
