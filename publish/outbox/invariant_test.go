package outbox

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// flakyStore fails at random until healthy returns true.
type flakyStore struct {
	store
	healthy func() bool
}

var errFlaky = errors.New("no space left")

func (f *flakyStore) commit(b batch) error {
	if !f.healthy() && rand.N(3) == 0 {
		return errFlaky
	}
	return f.store.commit(b)
}

// Four cameras, connections that begin and end, low bounds and a disk that fails: the counts add up at any time, and
// the next run finds what is left at the end.
func TestCountsAlwaysAddUp(t *testing.T) {
	both(t, func(t *testing.T, cfg Config) {
		cfg.MaxEvents, cfg.DrainRate = 60, maxRate
		q, err := open(cfg, zerolog.Nop(), quick())
		if err != nil {
			t.Fatal(err)
		}
		var mutex sync.Mutex
		healed := false
		q.mu.Lock()
		q.store = &flakyStore{q.store, func() bool { mutex.Lock(); defer mutex.Unlock(); return healed }}
		q.mu.Unlock()
		offered := offerMany(t, q)
		mutex.Lock()
		healed = true
		mutex.Unlock()
		eventually(t, "all written", func() bool { return q.Stats().Held == 0 && !q.isFailing() })
		balanced(t, q)
		s := q.Stats()
		if s.Accepted+s.Refused.Total() != uint64(offered) || s.Delivered == 0 || s.Dropped.Full+s.Refused.Full == 0 {
			t.Errorf("%d offered: %+v", offered, s)
		}
		t.Logf("%d offered: %+v", offered, s)
		if err := q.Close(); (err != nil) != (s.Queued > 0 && cfg.Store == Memory) {
			t.Error(err)
		}
		if cfg.Store == Memory {
			return
		}
		if n := mustOpen(t, cfg, quick()).Stats().Restored; n != uint64(s.Queued) {
			t.Errorf("%d were left, %d are found", s.Queued, n)
		}
	})
}

// offerMany offers events from four goroutines while another sends some, and returns how many it offered.
func offerMany(t *testing.T, q *Queue) int {
	const each = 300
	var cameras sync.WaitGroup
	for _, camera := range []string{"a", "b", "c", "d"} {
		cameras.Go(func() {
			for i := range each {
				err := q.Add(Event{Camera: camera, Score: rand.Float64(), Data: text(camera, i)})
				if err != nil && !errors.Is(err, ErrFull) && !errors.Is(err, ErrHeld) {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { cameras.Wait(); close(done) }()
	for {
		select {
		case <-done:
			return 4 * each
		default:
		}
		q.Connect()
		for range 30 {
			item, wait, ok := q.Next(false)
			switch {
			case !ok:
				time.Sleep(min(wait, time.Millisecond))
			case rand.N(3) > 0:
				q.Done(item.Key)
			case rand.N(3) == 0:
				q.RecordFailure(item.Key)
			}
			balanced(t, q)
		}
		q.Disconnect()
		balanced(t, q)
	}
}

// Damage while the program runs loses only the events that it hits.
func TestDamageLosesOneEvent(t *testing.T) {
	cfg := onDisk(t)
	cfg.DrainRate = maxRate
	q := mustOpen(t, cfg, quick())
	for i := range 3 {
		add(t, q, "door", i, 50)
	}
	path := filepath.Join(cfg.Dir, fileName)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	whole := mustRead(t, path)
	for at := range len(whole) - 6 { // wherever the event lies, also where it lay before
		if string(whole[at:at+6]) == "door 1" {
			if _, err := file.WriteAt([]byte("d00r"), int64(at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	q.Connect()
	if got := all(t, q); len(got) != 2 || got[0] != "door 0*" || got[1] != "door 2*" {
		t.Error(got)
	}
	if s := q.Stats(); s.Dropped != (Losses{Corrupt: 1}) || s.Delivered != 2 {
		t.Errorf("%+v", s)
	}
}

// closeFile closes the file that a store uses, as a failed write does.
func closeFile(t *testing.T, q *Queue) {
	t.Helper()
	d := q.store.(*diskStore)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.db.Close(); err != nil {
		t.Fatal(err)
	}
}

// A file that could not be reopened after it was rewritten is reopened by the next commit.
func TestCommitReopensTheFile(t *testing.T) {
	q := mustOpen(t, onDisk(t), quick())
	add(t, q, "door", 1, 50)
	closeFile(t, q)
	if err := q.Add(Event{Camera: "door", Score: 50, Data: text("door", 2)}); !errors.Is(err, ErrHeld) {
		t.Error(err)
	}
	eventually(t, "written", func() bool { return q.Stats().Accepted == 2 && !q.isFailing() })
	add(t, q, "door", 3, 50)
}

// A file that bbolt has closed because it could not map it is reopened by the next read.
func TestReadReopensTheFile(t *testing.T) {
	q := mustOpen(t, onDisk(t), quick())
	add(t, q, "door", 1, 50)
	closeFile(t, q)
	q.Connect()
	if name, _ := next(t, q); name != "door 1*" {
		t.Error(name)
	}
}
