package testsupport

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/publish/event"
	"facesieve/publish/outbox"
)

// StoredEvents returns the ids of the events in an outbox that is not in use.
func StoredEvents(t *testing.T, cfg outbox.Config) map[string]bool {
	t.Helper()
	cfg.DrainRate = 1000
	store, err := outbox.Open(cfg, zerolog.Nop())
	Must(t, err)
	defer func() { Must(t, store.Close()) }()
	ids := map[string]bool{}
	for stored := store.Stats().Queued; len(ids) < stored; {
		item, wait, ok := store.Next(false)
		if !ok {
			time.Sleep(max(wait, time.Millisecond))
			continue
		}
		event, err := event.DecodeFace(item.Data)
		Must(t, err)
		ids[event.ID] = true
	}
	return ids
}
