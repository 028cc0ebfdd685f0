package outbox

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Fresh events are sent first, then the backlog, both camera by camera in turn.
func TestCamerasTakeTurns(t *testing.T) {
	both(t, func(t *testing.T, cfg Config) {
		cfg.DrainRate = maxRate
		q := mustOpen(t, cfg, quick())
		for i := range 100 {
			add(t, q, "busy", i, 50)
		}
		add(t, q, "new", 0, 50)
		q.Connect()
		for i := range 3 {
			add(t, q, "busy", 100+i, 50)
		}
		add(t, q, "calm", 0, 50)
		add(t, q, "calm", 1, 50)
		got := all(t, q)
		if fresh := []string{"busy 100", "calm 0", "busy 101", "calm 1", "busy 102"}; !slices.Equal(got[:5], fresh) {
			t.Error(got[:5])
		}
		if len(got) != 106 || !slices.Contains(got[5:7], "new 0*") {
			t.Fatal(got[5:])
		}
		busy := slices.DeleteFunc(got[5:], func(name string) bool { return name == "new 0*" })
		for i := range 100 {
			if name := fmt.Sprintf("busy %d*", i); busy[i] != name {
				t.Fatalf("%s in the place of %s", busy[i], name)
			}
		}
	})
}

// The backlog is sent at its rate, fresh events at once.
func TestDrainRate(t *testing.T) {
	cfg := inMemory()
	cfg.DrainRate = 0.01 // one in 100 s: no test is so slow
	q := mustOpen(t, cfg, quick())
	for i := range 3 {
		add(t, q, "door", i, 50)
	}
	q.Connect()
	if name, _ := next(t, q); name != "door 0*" {
		t.Error(name)
	}
	if _, wait, ok := q.Next(false); ok || wait < 50*time.Second || wait > 100*time.Second {
		t.Error(wait, ok)
	}
	add(t, q, "door", 3, 50)
	if name, _ := next(t, q); name != "door 3" {
		t.Error(name)
	}
	if _, _, ok := q.Next(false); ok {
		t.Error("too fast")
	}
	// Events in memory would be lost with the process, so at the end of a publisher they do not wait.
	if item, _, ok := q.Next(true); !ok || !item.Replayed {
		t.Error("an event that would be lost is not sent at the end")
	}
	if q.Pending() != 4 {
		t.Error(q.Pending())
	}
}

// Pending counts only fresh events and those in flight if the others are on disk.
func TestPendingOnDisk(t *testing.T) {
	q := mustOpen(t, onDisk(t), quick())
	add(t, q, "door", 0, 50)
	if q.Pending() != 0 {
		t.Error(q.Pending())
	}
	q.Connect()
	add(t, q, "door", 1, 50)
	next(t, q)
	add(t, q, "door", 2, 50)
	if q.Pending() != 2 {
		t.Error(q.Pending())
	}
}

func TestWaitingEventIsReplayed(t *testing.T) {
	tm := quick()
	tm.fresh = time.Nanosecond
	q := mustOpen(t, inMemory(), tm)
	q.Connect()
	add(t, q, "door", 1, 50)
	if name, _ := next(t, q); name != "door 1*" {
		t.Error(name)
	}
}

// An event for which three connections ended is sent after the others, and after a wait.
func TestRecordFailure(t *testing.T) {
	cfg := inMemory()
	cfg.DrainRate = maxRate
	tm := quick()
	tm.retry = 50 * time.Millisecond
	q := mustOpen(t, cfg, tm)
	for i := range 3 {
		add(t, q, "door", i, 50)
	}
	for i := range 3 {
		q.Connect()
		var item Item
		eventually(t, "the first", func() bool { name := ""; name, item = next(t, q); return name == "door 0*" })
		if q.RecordFailure(item.Key) != (i == 2) {
			t.Error("wrong result of failure", i+1)
		}
		q.Disconnect()
	}
	q.Connect()
	if got := all(t, q); !slices.Equal(got, []string{"door 1*", "door 2*", "door 0*"}) {
		t.Error(got)
	}
	if q.RecordFailure(99) {
		t.Error("a failure of an unknown event")
	}
}
