package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"
)

// The lowest score is dropped first, of equals the oldest. A new event with a lower score than all is refused.
func TestLowestScoreIsDropped(t *testing.T) {
	both(t, func(t *testing.T, cfg Config) {
		cfg.MaxEvents, cfg.DrainRate = 3, maxRate
		var log bytes.Buffer
		q, err := open(cfg, zerolog.New(zerolog.SyncWriter(&log)), quick())
		if err != nil {
			t.Fatal(err)
		}
		for i, score := range []float64{30, 10, 30} {
			add(t, q, "door", i, score)
		}
		if err := q.Add(Event{Camera: "gate", Score: 9, Data: text("gate", 0)}); !errors.Is(err, ErrFull) {
			t.Error(err)
		}
		add(t, q, "gate", 1, 20) // for the 10
		add(t, q, "gate", 2, 30) // for the 20
		add(t, q, "gate", 3, 30) // for the oldest 30
		if s := q.Stats(); s.Accepted != 6 || s.Dropped != (Losses{Full: 3}) || s.Refused != (Losses{Full: 1}) ||
			s.Queued != 3 {
			t.Errorf("%+v", s)
		}
		q.Connect()
		if got := all(t, q); !slices.Equal(got, []string{"door 2*", "gate 2*", "gate 3*"}) {
			t.Error(got)
		}
		mustClose(t, q)
		if n := strings.Count(log.String(), "outbox is full"); n < 1 || n > 2 {
			t.Errorf("logged %d times: %s", n, log.String())
		}
	})
}

// An event in flight is not dropped.
func TestInFlightIsNotDropped(t *testing.T) {
	cfg := inMemory()
	cfg.MaxEvents = 1
	q := mustOpen(t, cfg, quick())
	q.Connect()
	add(t, q, "door", 1, 10)
	_, item := next(t, q)
	if err := q.Add(Event{Camera: "door", Score: 90, Data: text("door", 2)}); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	q.Done(item.Key)
	add(t, q, "door", 2, 10)
}

// A file that exceeds lower bounds is trimmed at the start.
func TestSmallerBoundsAfterRestart(t *testing.T) {
	cfg := onDisk(t)
	q := mustOpen(t, cfg, quick())
	for i := range 10 {
		add(t, q, "door", i, float64(i))
	}
	mustClose(t, q)
	cfg.MaxEvents = 4
	q = mustOpen(t, cfg, quick())
	if s := q.Stats(); s.Restored != 10 || s.Queued != 4 || s.Dropped != (Losses{Full: 6}) {
		t.Errorf("%+v", s)
	}
	balanced(t, q)
	mustClose(t, q)
	if s := mustOpen(t, cfg, quick()).Stats(); s.Restored != 4 {
		t.Errorf("the dropped are still in the file: %+v", s)
	}
}

// The file stays within its bound while events are added and dropped, and is small again when it is empty.
func TestFileSizeIsBounded(t *testing.T) {
	cfg := onDisk(t)
	cfg.MaxMiB, cfg.DrainRate = minMiB, maxRate
	tm := quick()
	q := mustOpen(t, cfg, tm)
	path := filepath.Join(cfg.Dir, fileName)
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same every time
	var most int64
	put := func(bytes int, score float64) {
		err := q.Add(Event{Camera: "door", Score: score, Data: make([]byte, bytes)})
		if err != nil && !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
		most = max(most, size())
	}
	for i := range 900 { // every other is dropped first, and leaves a gap too small for the next event
		put(3000, float64(i%2))
	}
	for range 100 {
		put(1000+random.IntN(60_000), 1+random.Float64())
	}
	balanced(t, q)
	if s := q.Stats(); most > minMiB<<20 || s.Dropped.Full == 0 || s.Bytes < minMiB<<19 {
		t.Errorf("%d bytes; %+v", most, s)
	}
	t.Logf("the file had %d bytes at most", most)
	for q.Stats().Queued > 0 {
		if item, wait, ok := q.Next(false); ok {
			q.Done(item.Key)
		} else {
			time.Sleep(wait)
		}
	}
	mustClose(t, q)
	q = mustOpen(t, cfg, tm)
	if n := size(); n > 1<<20 || q.Stats().Restored != 0 {
		t.Errorf("%d bytes of an empty outbox, %+v", n, q.Stats())
	}
}

func TestOldEventsExpire(t *testing.T) {
	both(t, func(t *testing.T, cfg Config) {
		tm := quick()
		tm.grace = 0
		q := mustOpen(t, cfg, tm)
		add(t, q, "door", 1, 50)
		q.mu.Lock()
		q.clock.base += cfg.MaxAge - time.Minute
		q.mu.Unlock()
		add(t, q, "door", 2, 50)
		q.mu.Lock()
		q.clock.base += 2 * time.Minute
		q.mu.Unlock()
		eventually(t, "expired", func() bool { return q.Stats().Dropped.Expired == 1 })
		balanced(t, q)
		q.Connect()
		if got := all(t, q); !slices.Equal(got, []string{"door 2*"}) {
			t.Error(got)
		}
	})
}

// A jump of the wall clock between two runs does not age events. Time that has passed does.
func TestClockJumps(t *testing.T) {
	day := 24 * time.Hour
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		then time.Time
		want time.Duration
	}{
		"off for a day":           {now.Add(-day), 3 * day},
		"went back":               {now.Add(50 * 365 * day), 2 * day},
		"was never set before":    {time.Date(1970, 1, 1, 0, 5, 0, 0, time.UTC), 2 * day},
		"had the time of a build": {time.Date(2024, 1, 1, 0, 5, 0, 0, time.UTC), 2 * day},
	} {
		if got := resume(2*day, c.then, now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The wall clock jumped forward by years while the program did not run: events that are too old by it stay for an hour.
func TestJumpForwardDeletesNothingAtOnce(t *testing.T) {
	cfg := onDisk(t)
	cfg.DrainRate = maxRate
	q := mustOpen(t, cfg, quick())
	for i := range 3 {
		add(t, q, "door", i, 50)
	}
	mustClose(t, q)
	d, _, err := openDisk(cfg, nil, false, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	err = d.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(metadataBucket)).
			Put([]byte(clockKey), clockValue(firstClock+time.Hour, time.Unix(earliestWall, 0)))
	})
	if err := errors.Join(err, d.close()); err != nil {
		t.Fatal(err)
	}
	cfg.MaxAge = time.Minute // the real clock is further than that from the date in the file
	q = mustOpen(t, cfg, quick())
	if q.clock.now() < firstClock+24*time.Hour {
		t.Errorf("the time that has passed is not counted: %v", q.clock.now())
	}
	q.expire()
	if s := q.Stats(); s.Queued != 3 {
		t.Errorf("%+v", s)
	}
	q.timing.grace = 0
	q.expire()
	if s := q.Stats(); s.Queued != 0 || s.Dropped.Expired != 3 {
		t.Errorf("after the hour: %+v", s)
	}
}

func TestInvalidConfiguration(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	cfg := Config{Store: "cloud", MaxEvents: -1, MaxMiB: 1, MaxAge: time.Second}
	want := `store: "cloud": use disk or memory
max_events: -1: use 1 to 100000
max_mib: 1: use 4 to 65536 MiB
max_age: 1s: use 1m to 87600h0m0s
drain_rate: 0: use 0.01 to 1000 events a second`
	if err := cfg.Validate(); fmt.Sprint(err) != want {
		t.Error(err)
	}
	cfg = Default()
	cfg.Store, cfg.KeyFile = Memory, "key"
	if err := cfg.Validate(); fmt.Sprint(err) != `key_file: set, but store is memory: nothing is written, remove it` {
		t.Error(err)
	}
}
