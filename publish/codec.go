package publish

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"
)

// ErrSchema is in the error of a decoder that was given another version than SchemaVersion.
var ErrSchema = errors.New("unknown schema version")

// maxPayload bounds a message, in bytes; an Event with the largest picture stays below it.
const maxPayload = 1 << 20

// EncodeEvent checks an event and writes it as JSON on one line, its time in UTC. All fields must be set, also those that
// Publish fills in by itself.
func EncodeEvent(e Event) ([]byte, error) {
	e.Time = utc(e.Time)
	return encode(&e, "event")
}

// DecodeEvent reads the payload of a face topic. It accepts what EventSchema accepts and nothing else: every field
// once, none unknown, all values in range, and a picture that is what it is said to be.
func DecodeEvent(payload []byte) (Event, error) {
	return decode[Event](payload, "event")
}

// DecodeRejected reads the payload of a rejected topic, as strict as DecodeEvent.
func DecodeRejected(payload []byte) (Rejected, error) {
	return decode[Rejected](payload, "rejected face")
}

// DecodeState reads the payload of a state topic, as strict as DecodeEvent.
func DecodeState(payload []byte) (State, error) {
	return decode[State](payload, "state")
}

// form is what the three JSON forms have in common.
type form[T any] interface {
	*T
	check() error
}

func encode[T any, F form[T]](v F, what string) ([]byte, error) {
	if err := v.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return data, nil
}

func decode[T any, F form[T]](payload []byte, what string) (T, error) {
	var v, none T
	if err := unmarshal(payload, &v, reflect.TypeFor[T]()); err != nil {
		return none, fmt.Errorf("%s: %w", what, err)
	}
	if err := F(&v).check(); err != nil {
		return none, fmt.Errorf("%s: %w", what, err)
	}
	return v, nil
}

// unmarshal looks at the version first: what else is wrong with a form of another version is of no interest.
func unmarshal(payload []byte, v any, t reflect.Type) error {
	if len(payload) > maxPayload {
		return fmt.Errorf("%d bytes are more than %d", len(payload), maxPayload)
	}
	var version struct {
		Schema int `json:"schema"`
	}
	err := json.Unmarshal(payload, &version)
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Errorf("a JSON %s, not an object", kind.Value)
	case err != nil:
		return err
	}
	if version.Schema != SchemaVersion {
		return fmt.Errorf("%w %d: this reader knows %d", ErrSchema, version.Schema, SchemaVersion)
	}
	if err := json.Unmarshal(payload, v); err != nil {
		return err
	}
	return exact(payload, t)
}

// utc drops the monotonic clock and the zone, so that equal times are equal values and end in Z.
func utc(t time.Time) time.Time { return t.Round(0).UTC() }

// NewID is a UUIDv7 for an event of the live program: the time, and chance.
func NewID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("id of an event: %w", err)
	}
	return id.String(), nil
}

// ReplayID is a UUIDv7 that depends on its arguments alone: the same recording gives the same ids.
func ReplayID(at time.Time, device, camera string, track uint64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %d", device, camera, track, at.UnixNano()))
	id := uuid.UUID(sum[:16])
	for i, milliseconds := 5, at.UnixMilli(); i >= 0; i, milliseconds = i-1, milliseconds>>8 {
		id[i] = byte(milliseconds)
	}
	id[6] = id[6]&0x0f | 0x70 // version 7
	id[8] = id[8]&0x3f | 0x80 // variant of RFC 9562
	return id.String()
}
