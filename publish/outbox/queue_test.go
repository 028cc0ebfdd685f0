package outbox

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// both runs a test with either store.
func both(t *testing.T, test func(t *testing.T, cfg Config)) {
	t.Run(Memory, func(t *testing.T) { test(t, inMemory()) })
	t.Run(Disk, func(t *testing.T) { test(t, onDisk(t)) })
}

func TestFreshEventIsSentOnce(t *testing.T) {
	both(t, func(t *testing.T, cfg Config) {
		q := mustOpen(t, cfg, quick())
		q.Connect()
		add(t, q, "door", 1, 50)
		<-q.Ready()
		name, item := next(t, q)
		if name != "door 1" {
			t.Error(name)
		}
		if again, _ := next(t, q); again != "" {
			t.Error("returned twice:", again)
		}
		q.Done(item.Key)
		q.Done(item.Key) // nothing more happens
		if s := q.Stats(); s.Accepted != 1 || s.Delivered != 1 || s.Queued != 0 || s.Bytes != 0 {
			t.Errorf("%+v", s)
		}
		mustClose(t, q)
		if err := q.Add(Event{Camera: "door"}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

// Events in flight when the connection is lost are sent again as replayed, oldest first. So are those that were added
// while there was no connection.
func TestLostConnection(t *testing.T) {
	both(t, func(t *testing.T, cfg Config) {
		cfg.DrainRate = maxRate
		q := mustOpen(t, cfg, quick())
		q.Connect()
		for i := range 3 {
			add(t, q, "door", i, 50)
		}
		for range 2 {
			next(t, q)
		}
		q.Disconnect()
		add(t, q, "door", 3, 50)
		q.Connect()
		add(t, q, "door", 4, 50)
		if got := all(t, q); !slices.Equal(got, []string{"door 4", "door 0*", "door 1*", "door 2*", "door 3*"}) {
			t.Error(got)
		}
	})
}

func TestRestart(t *testing.T) {
	cfg := onDisk(t)
	cfg.DrainRate = maxRate
	q := mustOpen(t, cfg, quick())
	q.Connect()
	for i := range 5 {
		add(t, q, "door", i, 50)
	}
	_, first := next(t, q)
	next(t, q)
	q.Done(first.Key)
	mustClose(t, q)

	q = mustOpen(t, cfg, quick())
	if s := q.Stats(); s.Restored != 4 || s.Queued != 4 || s.Accepted != 0 {
		t.Errorf("%+v", s)
	}
	q.Connect()
	add(t, q, "door", 5, 50)
	if got := all(t, q); !slices.Equal(got, []string{"door 5", "door 1*", "door 2*", "door 3*", "door 4*"}) {
		t.Error(got)
	}
	mustClose(t, q)
	if s := mustOpen(t, cfg, quick()).Stats(); s.Restored != 0 {
		t.Errorf("%+v", s)
	}
}

func TestCloseReportsLostEvents(t *testing.T) {
	q := mustOpen(t, inMemory(), quick())
	add(t, q, "door", 1, 50)
	if err := q.Close(); err == nil || err.Error() != "outbox: 1 events were not delivered" {
		t.Error(err)
	}
}

func TestFileModes(t *testing.T) {
	cfg := onDisk(t)
	cfg.Dir = filepath.Join(cfg.Dir, "made")
	mustOpen(t, cfg, quick())
	for name, want := range map[string]os.FileMode{"": 0o700 | os.ModeDir, fileName: 0o600, lockName: 0o600} {
		if info, err := os.Stat(filepath.Join(cfg.Dir, name)); err != nil || info.Mode() != want {
			t.Error(name, info.Mode(), err)
		}
	}
}

func TestDirectoryInUse(t *testing.T) {
	cfg := onDisk(t)
	q := mustOpen(t, cfg, quick())
	want := "outbox: dir: " + cfg.Dir + " is in use by another facesieve: stop it, or give each a dir of its own"
	if _, err := Open(cfg, testLog(t)); err == nil || err.Error() != want {
		t.Error(err)
	}
	mustClose(t, q)
	mustOpen(t, cfg, quick())
}
