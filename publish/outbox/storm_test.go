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

// moodyStore fails now and then, as a disk that is full does.
type moodyStore struct {
	store
	well func() bool
}

var errMood = errors.New("no space left")

func (m *moodyStore) commit(b batch) error {
	if !m.well() && rand.N(3) == 0 {
		return errMood
	}
	return m.store.commit(b)
}

// Four cameras, connections that come and go, a small box and a disk that fails: the sum is right at every moment, and
// what is left at the end is what the next run finds.
func TestTheSumIsAlwaysRight(t *testing.T) {
	both(t, func(t *testing.T, cfg Config) {
		cfg.MaxEvents, cfg.DrainRate = 60, maxRate
		b, err := open(cfg, zerolog.Nop(), quick())
		if err != nil {
			t.Fatal(err)
		}
		var mutex sync.Mutex
		healed := false
		b.mu.Lock()
		b.store = &moodyStore{b.store, func() bool { mutex.Lock(); defer mutex.Unlock(); return healed }}
		b.mu.Unlock()
		offered := storm(t, b)
		mutex.Lock()
		healed = true
		mutex.Unlock()
		eventually(t, "all written", func() bool { return b.Stats().Held == 0 && !b.isFailing() })
		balanced(t, b)
		s := b.Stats()
		if s.Accepted+s.Refused.Total() != uint64(offered) || s.Delivered == 0 || s.Dropped.Full+s.Refused.Full == 0 {
			t.Errorf("%d offered: %+v", offered, s)
		}
		t.Logf("%d offered: %+v", offered, s)
		if err := b.Close(); (err != nil) != (s.Queued > 0 && !b.Durable()) {
			t.Error(err)
		}
		if !b.Durable() {
			return
		}
		if n := mustOpen(t, cfg, quick()).Stats().Restored; n != uint64(s.Queued) {
			t.Errorf("%d were left, %d are found", s.Queued, n)
		}
	})
}

// storm offers events from four goroutines while another sends some, and returns how many it offered.
func storm(t *testing.T, b *Queue) int {
	const each = 300
	var cameras sync.WaitGroup
	for _, camera := range []string{"a", "b", "c", "d"} {
		cameras.Go(func() {
			for i := range each {
				err := b.Add(Event{Camera: camera, Score: rand.Float64(), Data: text(camera, i)})
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
		b.Connect()
		for range 30 {
			item, wait, ok := b.Next(false)
			switch {
			case !ok:
				time.Sleep(min(wait, time.Millisecond))
			case rand.N(3) > 0:
				b.Done(item.Key)
			case rand.N(3) == 0:
				b.RecordFailure(item.Key)
			}
			balanced(t, b)
		}
		b.Disconnect()
		balanced(t, b)
	}
}

// Damage that comes while the program runs costs the events that it hit and no others.
func TestReadErrorCostsOneEvent(t *testing.T) {
	cfg := onDisk(t)
	cfg.DrainRate = maxRate
	b := mustOpen(t, cfg, quick())
	for i := range 3 {
		add(t, b, "door", i, 50)
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
	b.Connect()
	if got := all(t, b); len(got) != 2 || got[0] != "door 0*" || got[1] != "door 2*" {
		t.Error(got)
	}
	if s := b.Stats(); s.Dropped != (Losses{Corrupt: 1}) || s.Delivered != 2 {
		t.Errorf("%+v", s)
	}
}

// closeFile closes the file of a box behind its back, as a failed write does.
func closeFile(t *testing.T, b *Queue) {
	t.Helper()
	d := b.store.(*diskStore)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.db.Close(); err != nil {
		t.Fatal(err)
	}
}

// A file that could not be opened again after it was written anew is opened with the next commit.
func TestOpensTheFileAgain(t *testing.T) {
	b := mustOpen(t, onDisk(t), quick())
	add(t, b, "door", 1, 50)
	closeFile(t, b)
	if err := b.Add(Event{Camera: "door", Score: 50, Data: text("door", 2)}); !errors.Is(err, ErrHeld) {
		t.Error(err)
	}
	eventually(t, "written", func() bool { return b.Stats().Accepted == 2 && !b.isFailing() })
	add(t, b, "door", 3, 50)
}

// If bbolt could not map a file and has closed it, the file is reopened for reading.
func TestOpensTheFileAgainToRead(t *testing.T) {
	b := mustOpen(t, onDisk(t), quick())
	add(t, b, "door", 1, 50)
	closeFile(t, b)
	b.Connect()
	if name, _ := next(t, b); name != "door 1*" {
		t.Error(name)
	}
}
