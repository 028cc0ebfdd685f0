package publish

import (
	"testing"
	"time"

	"facesieve/publish/publishtest"
)

// A publisher whose goroutine hangs is stuck, and only then: not while it serves a broker, nor while it looks for one.
func TestStuck(t *testing.T) {
	cfg, broker := embedded(t, nil)
	timing := quick()
	timing.step = 100 * time.Millisecond
	p := mustOpen(t, cfg, timing)
	publishtest.Eventually(t, "connected", func() bool { return p.Stats().Connected && !p.Stuck() })
	p.states.mu.Lock() // the session waits for it
	publishtest.Eventually(t, "stuck", p.Stuck)
	p.states.mu.Unlock()
	publishtest.Eventually(t, "no longer stuck", func() bool { return !p.Stuck() })
	if err := broker.Close(); err != nil {
		t.Error(err)
	}
	publishtest.Eventually(t, "looking for the broker",
		func() bool { return !p.Stats().Connected && p.Stats().LastError != "" && !p.Stuck() })
}
