package event_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"facesieve/publish/event"
)

func TestReplayID(t *testing.T) {
	at := time.Date(2025, 3, 1, 12, 30, 5, 123456789, time.UTC)
	id := event.ReplayID(at, "gate", "door", 7)
	u, err := uuid.Parse(id)
	if err != nil || u.Version() != 7 || u.Variant() != uuid.RFC4122 || u.String() != id {
		t.Fatal(id, err)
	}
	if sec, nsec := u.Time().UnixTime(); !time.Unix(sec, nsec).Equal(at.Truncate(time.Millisecond)) {
		t.Error(time.Unix(sec, nsec).UTC())
	}
	if again := event.ReplayID(at.In(time.FixedZone("", 7200)), "gate", "door", 7); again != id {
		t.Error(again, id)
	}
	for _, other := range []string{
		event.ReplayID(at.Add(1), "gate", "door", 7), event.ReplayID(at, "gat", "edoor", 7),
		event.ReplayID(at, "gate", "door", 8),
	} {
		if other == id {
			t.Error("same id")
		}
	}
}
