package doctor

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// Checks that take long are named, those that have ended are not.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pending := newPending([]check{{kind: "camera", name: "door"}, {kind: "broker"}, {kind: "clock"}})
		var out bytes.Buffer
		stop := pending.report(&out)
		pending.remove("clock")
		time.Sleep(firstProgress + time.Second)
		pending.remove("broker")
		time.Sleep(progressPeriod)
		stop()
		if want := "2s: checking camera door, broker\n7s: checking camera door\n"; out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	})
}
