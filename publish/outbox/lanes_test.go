package outbox

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Fresh events of every camera go first, then the backlog; both in turn, so that nobody waits behind a thousand of another.
func TestEveryCameraHasItsTurn(t *testing.T) {
	both(t, func(t *testing.T, cfg Config) {
		cfg.DrainRate = maxRate
		b := mustOpen(t, cfg, quick())
		for i := range 100 {
			add(t, b, "busy", i, 50)
		}
		add(t, b, "new", 0, 50)
		b.Connect()
		for i := range 3 {
			add(t, b, "busy", 100+i, 50)
		}
		add(t, b, "calm", 0, 50)
		add(t, b, "calm", 1, 50)
		got := all(t, b)
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

// The backlog comes at its rate, fresh events at once.
func TestTheBacklogIsDrainedAtARate(t *testing.T) {
	cfg := inMemory()
	cfg.DrainRate = 0.01 // one in 100 s: no test is so slow
	b := mustOpen(t, cfg, quick())
	for i := range 3 {
		add(t, b, "door", i, 50)
	}
	b.Connect()
	if name, _ := next(t, b); name != "door 0*" {
		t.Error(name)
	}
	if _, wait, ok := b.Next(false); ok || wait < 50*time.Second || wait > 100*time.Second {
		t.Error(wait, ok)
	}
	add(t, b, "door", 3, 50)
	if name, _ := next(t, b); name != "door 3" {
		t.Error(name)
	}
	if _, _, ok := b.Next(false); ok {
		t.Error("too fast")
	}
	// What is in memory would be lost with the process, so the last of a publisher does not wait.
	if item, _, ok := b.Next(true); !ok || !item.Replayed {
		t.Error("kept for the grave")
	}
	if b.Pending() != 4 {
		t.Error(b.Pending())
	}
}

// Only what is fresh or in flight is waited for at the end when the rest is on disk.
func TestPendingOnDisk(t *testing.T) {
	b := mustOpen(t, onDisk(t), quick())
	add(t, b, "door", 0, 50)
	if b.Pending() != 0 {
		t.Error(b.Pending())
	}
	b.Connect()
	add(t, b, "door", 1, 50)
	next(t, b)
	add(t, b, "door", 2, 50)
	if b.Pending() != 2 {
		t.Error(b.Pending())
	}
}

func TestAnEventThatWaitsTooLongIsReplayed(t *testing.T) {
	tm := quick()
	tm.fresh = time.Nanosecond
	b := mustOpen(t, inMemory(), tm)
	b.Connect()
	add(t, b, "door", 1, 50)
	if name, _ := next(t, b); name != "door 1*" {
		t.Error(name)
	}
}

// An event over which three connections ended goes behind the others, and rests.
func TestBlame(t *testing.T) {
	cfg := inMemory()
	cfg.DrainRate = maxRate
	tm := quick()
	tm.retry = 50 * time.Millisecond
	b := mustOpen(t, cfg, tm)
	for i := range 3 {
		add(t, b, "door", i, 50)
	}
	for i := range 3 {
		b.Connect()
		var item Item
		eventually(t, "the first", func() bool { name := ""; name, item = next(t, b); return name == "door 0*" })
		if b.RecordFailure(item.Key) != (i == 2) {
			t.Error("blamed after", i+1)
		}
		b.Disconnect()
	}
	b.Connect()
	if got := all(t, b); !slices.Equal(got, []string{"door 1*", "door 2*", "door 0*"}) {
		t.Error(got)
	}
	if b.RecordFailure(99) {
		t.Error("blames what is not there")
	}
}
