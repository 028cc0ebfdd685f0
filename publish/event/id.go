package event

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// NewID returns a random UUIDv7 of the present time.
func NewID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("id of an event: %w", err)
	}
	return id.String(), nil
}

// ReplayID returns a UUIDv7 that depends on its arguments alone, so that the same recording gives the same ids.
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
