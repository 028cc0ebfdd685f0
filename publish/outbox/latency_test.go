package outbox

import (
	"slices"
	"testing"
	"time"
)

// The latency of an event that is sent at once is counted when the broker has acknowledged it. That of a replayed one
// is the length of the outage, and is not counted.
func TestLatencies(t *testing.T) {
	cfg := inMemory()
	cfg.DrainRate = maxRate
	q := mustOpen(t, cfg, quick())
	add(t, q, "door", 1, 50)
	q.Connect()
	if got := all(t, q); !slices.Equal(got, []string{"door 1*"}) {
		t.Fatal(got)
	}
	if got := q.Stats().Latencies; got != (Latencies{}) {
		t.Errorf("after a replayed event: %+v", got)
	}
	add(t, q, "door", 2, 50)
	item := take(t, q)
	if got := q.Stats().Latencies; got != (Latencies{}) {
		t.Errorf("before the acknowledgement: %+v", got)
	}
	q.Done(item.Key)
	got := q.Stats().Latencies
	var count uint64
	for _, n := range got.Counts {
		count += n
	}
	if count != 1 || got.Sum <= 0 {
		t.Errorf("after the acknowledgement: %+v", got)
	}
}

func TestLatencyBuckets(t *testing.T) {
	bounds := LatencyBounds()
	if !slices.IsSorted(bounds[:]) {
		t.Fatal(bounds)
	}
	var l Latencies
	for _, took := range []time.Duration{0, 5 * time.Millisecond, 5*time.Millisecond + 1, 30 * time.Second, time.Hour} {
		l.add(took)
	}
	want := Latencies{Sum: time.Hour + 30*time.Second + 10*time.Millisecond + 1}
	want.Counts[0], want.Counts[1], want.Counts[11], want.Counts[12] = 2, 1, 1, 1
	if l != want {
		t.Errorf("%+v, want %+v", l, want)
	}
}
