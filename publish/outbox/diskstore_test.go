package outbox

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system of its own, of so many bytes.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("facesieve-test", dir, "tmpfs", 0, options); err != nil {
		if os.Getuid() == 0 && os.Getenv("CI") == "true" {
			t.Fatal("mount a tmpfs:", err)
		}
		t.Skip("cannot mount a tmpfs, run as root for this test:", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fault makes a disk refuse writes, and ends that.
type fault struct {
	begin, end func()
}

// The disk refuses writes for a while: events are held, sent, and written when it is back. None is lost.
func TestDiskRefusesWrites(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, dir string) fault{
		"full": func(t *testing.T, dir string) fault {
			ballast := filepath.Join(dir, "ballast")
			return fault{
				begin: func() {
					_ = os.WriteFile(ballast, make([]byte, 16<<20), 0o600) // until nothing fits
					if free(t, dir) > 0 {
						t.Fatal("not full")
					}
				},
				end: func() {
					if err := os.Remove(ballast); err != nil {
						t.Fatal(err)
					}
				},
			}
		},
		"read-only": func(t *testing.T, dir string) fault {
			path := filepath.Join(dir, fileName)
			return fault{begin: func() { redirect(t, path, os.O_RDONLY) }, end: func() { redirect(t, path, os.O_RDWR) }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := onDisk(t)
			cfg.Dir, cfg.DrainRate = smallDisk(t, "size=8m"), maxRate
			testFault(t, cfg, prepare(t, cfg.Dir))
		})
	}
}

func testFault(t *testing.T, cfg Config, f fault) {
	var log bytes.Buffer
	tm := quick()
	q, err := open(cfg, zerolog.New(zerolog.SyncWriter(&log)), tm)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 { // so that the file has no gaps left to write into
		add(t, q, "door", i, 50)
	}
	f.begin()
	held := 0
	for i := range 100 {
		err := q.Add(Event{Camera: "gate", Score: 50, Data: text("gate", i)})
		if errors.Is(err, ErrHeld) {
			held++
		} else if err != nil {
			t.Fatal(err)
		}
		balanced(t, q)
	}
	if s := q.Stats(); held == 0 || s.Held != held || s.Accepted != uint64(200-held) {
		t.Fatalf("held %d, %+v", held, s)
	}
	q.Connect()
	for range 50 { // some are sent meanwhile, from the disk and from memory
		if item, _, ok := q.Next(false); ok {
			q.Done(item.Key)
		}
		balanced(t, q)
	}
	before := q.Stats()
	q.Disconnect()
	started := time.Now()
	f.end()
	eventually(t, "written", func() bool { s := q.Stats(); return s.Held == 0 && s.Accepted == 200 })
	recovered := time.Since(started)
	mustClose(t, q)
	if n := strings.Count(log.String(), "disk takes no events"); n != 1 {
		t.Errorf("logged %d times: %s", n, log.String())
	}
	q = mustOpen(t, cfg, tm)
	s := q.Stats()
	if s.Restored != uint64(before.Queued+before.Held) || s.Dropped.Total() != 0 {
		t.Errorf("%+v, before %+v", s, before)
	}
	q.Connect()
	all(t, q)
	t.Logf("| 1 | accepted 200, held meanwhile %d | delivered %d | lost 0 | doubled 0 | recovered in %v |",
		held, before.Delivered+s.Restored, recovered.Round(time.Millisecond))
}

// redirect makes this process's descriptor of a file one that was opened with other flags.
func redirect(t *testing.T, path string, flags int) {
	t.Helper()
	with, err := os.OpenFile(path, flags, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer with.Close()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		number, _ := strconv.Atoi(entry.Name())
		if to, _ := os.Readlink("/proc/self/fd/" + entry.Name()); to == path && number != int(with.Fd()) {
			if err := unix.Dup3(int(with.Fd()), number, unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("not open:", path)
}

func free(t *testing.T, dir string) uint64 {
	t.Helper()
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	return s.Bavail
}

// The size of held events is bounded, and the lowest score is dropped first.
func TestHeldIsBounded(t *testing.T) {
	cfg := onDisk(t)
	q := mustOpen(t, cfg, quick())
	path := filepath.Join(cfg.Dir, fileName)
	redirect(t, path, os.O_RDONLY)
	data := make([]byte, 1<<20-recordOverhead)
	for i := range 20 {
		if err := q.Add(Event{Camera: "door", Score: float64(i), Data: data}); !errors.Is(err, ErrHeld) {
			t.Fatal(i, err)
		}
		balanced(t, q)
	}
	if err := q.Add(Event{Camera: "door", Score: 1, Data: data}); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	if s := q.Stats(); s.Held != 16 || s.Refused != (Losses{Disk: 5}) || s.Accepted != 0 {
		t.Errorf("%+v", s)
	}
	redirect(t, path, os.O_RDWR)
	eventually(t, "written", func() bool { return q.Stats().Accepted == 16 })
}

// Add waits for a disk that hangs no longer than its bound, and after the first event not at all.
func TestHangingDisk(t *testing.T) {
	tm := quick()
	tm.save, tm.end = 20*time.Millisecond, 20*time.Millisecond
	q := mustOpen(t, onDisk(t), tm)
	inner := q.store
	hang := make(chan struct{})
	q.mu.Lock()
	q.store = &hangingStore{inner, hang}
	q.mu.Unlock()
	for i := range 5 {
		if err := q.Add(Event{Camera: "door", Score: 50, Data: text("door", i)}); !errors.Is(err, ErrHeld) {
			t.Fatal(err)
		}
		balanced(t, q)
	}
	q.Connect()
	if name, item := next(t, q); name != "door 0*" {
		t.Error(name)
	} else {
		q.Done(item.Key) // while it is being written
	}
	balanced(t, q)
	close(hang)
	eventually(t, "written", func() bool { s := q.Stats(); return s.Held == 0 && s.Accepted == 5 && s.Queued == 4 })
	balanced(t, q)
	again := make(chan struct{})
	q.mu.Lock()
	q.store = &hangingStore{inner, again}
	q.mu.Unlock()
	if err := q.Close(); err == nil || err.Error() != "outbox: the disk takes too long: it was left behind open" {
		t.Error(err)
	}
	close(again)
	<-q.done
}

// hangingStore commits once the channel is closed.
type hangingStore struct {
	store
	hang chan struct{}
}

func (h *hangingStore) commit(b batch) error {
	<-h.hang
	return h.store.commit(b)
}
