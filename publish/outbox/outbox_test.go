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

func TestFreshGoesOutAndIsGone(t *testing.T) {
	both(t, func(t *testing.T, cfg Config) {
		b := mustOpen(t, cfg, quick())
		b.Connect()
		add(t, b, "door", 1, 50)
		<-b.Ready()
		name, item := next(t, b)
		if name != "door 1" {
			t.Error(name)
		}
		if again, _ := next(t, b); again != "" {
			t.Error("given twice:", again)
		}
		b.Done(item.Key)
		b.Done(item.Key) // nothing more happens
		if s := b.Stats(); s.Accepted != 1 || s.Delivered != 1 || s.Queued != 0 || s.Bytes != 0 {
			t.Errorf("%+v", s)
		}
		mustClose(t, b)
		if err := b.Add(Event{Camera: "door"}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

// What a lost connection leaves is sent again, oldest first, as replayed; so is what came while there was none.
func TestLostConnection(t *testing.T) {
	both(t, func(t *testing.T, cfg Config) {
		cfg.DrainRate = maxRate
		b := mustOpen(t, cfg, quick())
		b.Connect()
		for i := range 3 {
			add(t, b, "door", i, 50)
		}
		for range 2 {
			next(t, b)
		}
		b.Disconnect()
		add(t, b, "door", 3, 50)
		b.Connect()
		add(t, b, "door", 4, 50)
		if got := all(t, b); !slices.Equal(got, []string{"door 4", "door 0*", "door 1*", "door 2*", "door 3*"}) {
			t.Error(got)
		}
	})
}

func TestRestart(t *testing.T) {
	cfg := onDisk(t)
	cfg.DrainRate = maxRate
	b := mustOpen(t, cfg, quick())
	b.Connect()
	for i := range 5 {
		add(t, b, "door", i, 50)
	}
	_, first := next(t, b)
	next(t, b)
	b.Done(first.Key)
	mustClose(t, b)

	b = mustOpen(t, cfg, quick())
	if s := b.Stats(); s.Restored != 4 || s.Queued != 4 || s.Accepted != 0 {
		t.Errorf("%+v", s)
	}
	b.Connect()
	add(t, b, "door", 5, 50)
	if got := all(t, b); !slices.Equal(got, []string{"door 5", "door 1*", "door 2*", "door 3*", "door 4*"}) {
		t.Error(got)
	}
	mustClose(t, b)
	if s := mustOpen(t, cfg, quick()).Stats(); s.Restored != 0 {
		t.Errorf("%+v", s)
	}
}

func TestMemoryIsLostAndSaysSo(t *testing.T) {
	b := mustOpen(t, inMemory(), quick())
	add(t, b, "door", 1, 50)
	if err := b.Close(); err == nil || err.Error() != "outbox: 1 events were not delivered" {
		t.Error(err)
	}
}

func TestFilesAreForTheUserAlone(t *testing.T) {
	cfg := onDisk(t)
	cfg.Dir = filepath.Join(cfg.Dir, "made")
	mustOpen(t, cfg, quick())
	for name, want := range map[string]os.FileMode{"": 0o700 | os.ModeDir, fileName: 0o600, lockName: 0o600} {
		if info, err := os.Stat(filepath.Join(cfg.Dir, name)); err != nil || info.Mode() != want {
			t.Error(name, info.Mode(), err)
		}
	}
}

func TestOneProgramOneFile(t *testing.T) {
	cfg := onDisk(t)
	b := mustOpen(t, cfg, quick())
	want := "outbox: dir: " + cfg.Dir + " is in use by another facesieve: stop it, or give each a dir of its own"
	if _, err := Open(cfg, testLog(t)); err == nil || err.Error() != want {
		t.Error(err)
	}
	mustClose(t, b)
	mustOpen(t, cfg, quick())
}
