package outbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"facesieve/publish/publishtest"
)

// hold adds events while the disk cannot store them.
func hold(t *testing.T, q *Queue, camera string, n int) {
	t.Helper()
	for i := range n {
		if err := q.Add(Event{Camera: camera, Score: 50, Data: text(camera, i)}); !errors.Is(err, ErrHeld) {
			t.Fatal(i, err)
		}
		balanced(t, q)
	}
	if s := q.Stats(); s.Held != n || s.Accepted != 0 {
		t.Fatalf("%+v", s)
	}
}

// obstacle is a directory in which the outbox cannot be opened. remove makes it possible; nil: nothing does.
type obstacle struct {
	dir    string
	remove func()
}

func obstacles() map[string]func(t *testing.T) obstacle {
	remount := func(t *testing.T, dir string, flags uintptr, options string) {
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|flags, options); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]func(t *testing.T) obstacle{
		"full": func(t *testing.T) obstacle {
			dir := smallDisk(t, "size=1m")
			ballast := filepath.Join(dir, "ballast")
			_ = os.WriteFile(ballast, make([]byte, 2<<20), 0o600) // until nothing fits
			return obstacle{dir, func() {
				remount(t, dir, 0, "size=32m")
				_ = os.Remove(ballast)
			}}
		},
		"no more files": func(t *testing.T) obstacle {
			dir := smallDisk(t, "size=32m,nr_inodes=1")
			return obstacle{dir, func() { remount(t, dir, 0, "size=32m,nr_inodes=100") }}
		},
		"read-only": func(t *testing.T) obstacle {
			dir := smallDisk(t, "size=32m")
			remount(t, dir, unix.MS_RDONLY, "size=32m")
			return obstacle{dir, func() { remount(t, dir, 0, "size=32m") }}
		},
		"missing on a read-only disk": func(t *testing.T) obstacle {
			dir := smallDisk(t, "size=32m")
			remount(t, dir, unix.MS_RDONLY, "size=32m")
			return obstacle{filepath.Join(dir, "a", "b"), func() { remount(t, dir, 0, "size=32m") }}
		},
		"no name": func(*testing.T) obstacle { return obstacle{} },
		"a file in its place": func(t *testing.T) obstacle {
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return obstacle{filepath.Join(file, "below"), func() { _ = os.Remove(file) }}
		},
		"a directory in place of the lock": func(t *testing.T) obstacle {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, lockName), 0o700); err != nil {
				t.Fatal(err)
			}
			return obstacle{dir, func() { _ = os.Remove(filepath.Join(dir, lockName)) }}
		},
	}
}

// If the file cannot be created, events are held and sent, the log has the fix, and they are written when it can be
// created.
func TestDirectoryUnavailableAtStart(t *testing.T) {
	for name, prepare := range obstacles() {
		t.Run(name, func(t *testing.T) {
			o := prepare(t)
			cfg := Default()
			cfg.Dir, cfg.DrainRate = o.dir, maxRate
			var log publishtest.Log
			q, err := open(cfg, zerolog.New(&log), quick())
			if err != nil {
				t.Fatal(err)
			}
			hold(t, q, "door", 5)
			q.Connect()
			name, item := next(t, q)
			if name != "door 0*" {
				t.Error(name)
			}
			if o.remove == nil { // it can never be opened
				if !strings.Contains(log.String(), "dir: is empty: name a directory") ||
					!strings.Contains(fmt.Sprint(q.Close()), "5 events") {
					t.Error(log.String())
				}
				return
			}
			o.remove()
			eventually(t, "written", func() bool { s := q.Stats(); return s.Held == 0 && s.Accepted == 5 })
			q.Done(item.Key)
			balanced(t, q)
			mustClose(t, q)
			for text, times := range map[string]int{
				"events are held in memory": 1, "cannot write to " + o.dir: 1,
				"could be opened": 1,
			} {
				if n := strings.Count(log.String(), text); n != times {
					t.Errorf("%q is logged %d times: %s", text, n, log.String())
				}
			}
			q = mustOpen(t, cfg, quick())
			q.Connect()
			if got := all(t, q); !slices.Equal(got, []string{"door 1*", "door 2*", "door 3*", "door 4*"}) {
				t.Error(got)
			}
		})
	}
}

// The number of held events is bounded without a file, and the error of Close has the number of lost events.
func TestHeldWithoutAFile(t *testing.T) {
	cfg := Default()
	cfg.Dir = "/proc/1/outbox"
	q := mustOpen(t, cfg, quick())
	data := make([]byte, 1<<20-recordOverhead)
	for i := range 20 {
		if err := q.Add(Event{Camera: "door", Score: float64(i), Data: data}); !errors.Is(err, ErrHeld) {
			t.Fatal(i, err)
		}
		balanced(t, q)
	}
	if s := q.Stats(); s.Held != 16 || s.Refused != (Losses{Disk: 4}) {
		t.Errorf("%+v", s)
	}
	if n := q.Pending(); n != 16 {
		t.Errorf("a publisher waits for %d", n)
	}
	if err := q.Close(); err == nil || err.Error() != "outbox: 16 events were not delivered" {
		t.Error(err)
	}
}

// An outbox on a read-only disk is sent, with or without its lock file. Delivered events are removed from the file when
// the disk can be written again, and the ages are right.
func TestOutboxOnAReadOnlyDisk(t *testing.T) {
	for name, prepare := range map[string]func(dir string) error{
		"with its lock": func(string) error { return nil },
		"without":       func(dir string) error { return os.Remove(filepath.Join(dir, lockName)) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Default()
			cfg.Dir, cfg.DrainRate = smallDisk(t, "size=32m"), maxRate
			q := mustOpen(t, cfg, quick())
			for i := range 4 {
				add(t, q, "door", i, 50)
			}
			mustClose(t, q)
			if err := prepare(cfg.Dir); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mount("", cfg.Dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=32m"); err != nil {
				t.Fatal(err)
			}
			q = mustOpen(t, cfg, quick())
			if _, err := Open(cfg, zerolog.Nop()); err == nil ||
				!strings.Contains(err.Error(), "in use by another facesieve") {
				t.Error("opened twice:", err)
			}
			if s := q.Stats(); s.Restored != 4 {
				t.Errorf("%+v", s)
			}
			hold(t, q, "gate", 2)
			q.Connect()
			for range 2 {
				q.Done(take(t, q).Key)
			}
			if err := unix.Mount("", cfg.Dir, "", unix.MS_REMOUNT, "size=32m"); err != nil {
				t.Fatal(err)
			}
			eventually(t, "written", func() bool { return q.Stats().Held == 0 && !q.isFailing() })
			before := q.Stats()
			mustClose(t, q)
			if s := mustOpen(t, cfg, quick()).Stats(); s.Restored != uint64(before.Queued) || before.Delivered != 2 {
				t.Errorf("%+v, before %+v", s, before)
			}
		})
	}
}
