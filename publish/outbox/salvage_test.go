package outbox

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/sys/unix"

	"facesieve/publish/publishtest"
)

// jsonText returns data as events have it, of various sizes.
func jsonText(n int) []byte {
	return []byte(fmt.Sprintf(`{"n":%d,"image":"%s"}`, n, strings.Repeat(string(rune('a'+n%26)), 2000+n*131%9000)))
}

// history makes an outbox in which many events were added and some delivered. It returns the file and the waiting
// events.
func history(t *testing.T, cfg Config, events int) (file []byte, alive map[string]bool) {
	t.Helper()
	q := mustOpen(t, cfg, quick())
	q.Connect()
	alive = map[string]bool{}
	for n := range events {
		if err := q.Add(Event{Camera: "door", Score: 50, Data: jsonText(n)}); err != nil {
			t.Fatal(err)
		}
		alive[string(jsonText(n))] = true
		if item, _, ok := q.Next(false); ok && n%3 == 0 {
			q.Done(item.Key)
			delete(alive, string(item.Data))
		}
	}
	mustClose(t, q)
	return mustRead(t, filepath.Join(cfg.Dir, fileName)), alive
}

// salvaged is the result of opening an outbox on a damaged file and taking everything out.
type salvaged struct {
	stats      Stats
	alive      int // of the events that waited
	old        int // that had been delivered
	duplicates int
	aside      int
	logged     string
}

func salvageFrom(t *testing.T, cfg Config, file []byte, alive map[string]bool) (s salvaged) {
	t.Helper()
	cfg.Dir, cfg.DrainRate = t.TempDir(), maxRate
	if err := os.WriteFile(filepath.Join(cfg.Dir, fileName), file, 0o600); err != nil {
		t.Fatal(err)
	}
	var log publishtest.Log
	tm := quick()
	q, err := open(cfg, zerolog.New(&log), tm)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	q.Connect()
	s.stats, s.aside = q.Stats(), len(aside(t, cfg.Dir))
	balanced(t, q)
	seen := map[string]bool{}
	for {
		q.mu.Lock()
		q.drainAt = q.clock.started
		q.mu.Unlock()
		item, _, ok := q.Next(false)
		if !ok {
			break
		}
		switch {
		case seen[string(item.Data)]:
			s.duplicates++
		case alive[string(item.Data)]:
			s.alive++
		default:
			s.old++
		}
		seen[string(item.Data)] = true
		q.Done(item.Key)
		balanced(t, q)
	}
	if err := q.Add(Event{Camera: "gate", Score: 50, Data: jsonText(9999)}); err != nil {
		t.Error(err)
	}
	s.logged = log.String()
	return s
}

func page() int { return os.Getpagesize() }

// zero clears pages of a file.
func zero(file []byte, pages ...int) []byte {
	damaged := bytes.Clone(file)
	for _, p := range pages {
		clear(damaged[p*page() : min(len(damaged), (p+1)*page())])
	}
	return damaged
}

// The events that are left in a file without its beginning, its end or some of its pages are sent, each once.
func TestSalvage(t *testing.T) {
	for _, key := range []string{"", "a"} {
		cfg := onDisk(t)
		if key != "" {
			cfg.KeyFile = writeKey(t, key)
		}
		file, alive := history(t, cfg, 90)
		n := len(alive)
		garbage := bytes.Clone(file)
		random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same every time
		for i := range 5000 {
			garbage[i] = byte(random.Uint32())
		}
		for name, c := range map[string]struct {
			file       []byte
			alive, old int // at least and at most
		}{
			"one meta page":           {zero(file, 0), n, 0},
			"the other meta page":     {zero(file, 1), n, 0},
			"both meta pages":         {zero(file, 0, 1), n - 1, 90},
			"the first four pages":    {zero(file, 0, 1, 2, 3), n - 3, 90},
			"garbage at the front":    {garbage, n - 2, 90},
			"garbage before the file": {append(bytes.Repeat([]byte("x"), 12345), file...), n, 90},
			"cut in the middle":       {file[:len(file)/4], n / 4, 90},
		} {
			t.Run(name+" key "+key, func(t *testing.T) {
				s := salvageFrom(t, cfg, c.file, alive)
				if s.alive < c.alive || s.old > c.old || s.duplicates > 0 || s.aside != 1 {
					t.Errorf("%d of %d salvaged, want %d; %d sent again, %d twice, %d set aside\n%s",
						s.alive, n, c.alive, s.old, s.duplicates,
						s.aside, s.logged)
				}
				if got := fmt.Sprintf(`"saved":%d,"lost":`, s.alive+s.old); !strings.Contains(s.logged, got) {
					t.Errorf("%s is not in %s", got, s.logged)
				}
				t.Logf("%d of %d salvaged, %d sent again: %+v", s.alive, n, s.old, s.stats.Dropped)
			})
		}
	}
}

// Whichever page is lost, the events of the others are salvaged, few delivered ones are sent again, and the number of
// lost events is known.
func TestSalvageWithoutAPage(t *testing.T) {
	for _, key := range []string{"", "a"} {
		cfg := onDisk(t)
		if key != "" {
			cfg.KeyFile = writeKey(t, key)
		}
		file, alive := history(t, cfg, 40)
		var worst, sum, resent int
		for p := range len(file) / page() {
			s := salvageFrom(t, cfg, zero(file, p), alive)
			lost := len(alive) - s.alive
			worst, sum, resent = max(worst, lost), sum+lost, resent+s.old
			if s.duplicates > 0 || uint64(lost) > s.stats.Dropped.Corrupt {
				t.Errorf("page %d: %d lost, %d twice, %+v\n%s", p, lost, s.duplicates, s.stats, s.logged)
			}
		}
		t.Logf("key %q: %d pages of an outbox of %d events lost one by one: "+
			"%d events lost at most, %d of all, %d sent again",
			key, len(file)/page(), len(alive), worst, sum, resent)
		if worst > 8 || resent > 20 {
			t.Error("too much is lost or sent again")
		}
	}
}

// Flipped bits lose only the events that they are in.
func TestSalvageFlippedBits(t *testing.T) {
	cfg := onDisk(t)
	file, alive := history(t, cfg, 60)
	random := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // the same every time
	worst, resent := 0, 0
	for range 100 {
		damaged, flips := bytes.Clone(file), 1+random.IntN(8)
		for range flips {
			damaged[random.IntN(len(damaged))] ^= 1 << random.IntN(8)
		}
		s := salvageFrom(t, cfg, damaged, alive)
		worst, resent = max(worst, len(alive)-s.alive-2*flips), resent+s.old
		if s.duplicates > 0 || worst > 0 || len(alive)-s.alive > int(s.stats.Dropped.Corrupt) {
			t.Fatalf("%d flips: %d of %d, %d twice, %+v\n%s", flips, s.alive, len(alive), s.duplicates, s.stats,
				s.logged)
		}
	}
	t.Logf("100 times: %d more than two events a flip lost, %d sent again", worst, resent)
}

// The events in a truncated file are salvaged, wherever it ends.
func TestSalvageTruncated(t *testing.T) {
	cfg := onDisk(t)
	file, alive := history(t, cfg, 60)
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // the same every time
	sizes := []int{1, 100, 4095, 4096, 4097, 8192, 16384, len(file) - 1, len(file) - 4096, len(file) / 2}
	for range 50 {
		sizes = append(sizes, 1+random.IntN(len(file)-1))
	}
	for _, size := range sizes {
		whole := 0
		for text := range maps.Keys(alive) {
			if bytes.Contains(file[:size], []byte(text)) {
				whole++
			}
		}
		if s := salvageFrom(t, cfg, file[:size], alive); s.alive < whole || s.duplicates > 0 || s.old > 60 {
			t.Errorf("cut to %d of %d: %d of %d, %d sent again, %d twice", size, len(file), s.alive, whole, s.old,
				s.duplicates)
		}
	}
}

// A damaged file that is sealed with another key is not changed: with its key it can be salvaged.
func TestSalvageNeedsTheKey(t *testing.T) {
	cfg := onDisk(t)
	cfg.KeyFile = writeKey(t, "a")
	file, _ := history(t, cfg, 20)
	path := filepath.Join(cfg.Dir, fileName)
	damaged := zero(file, 0)
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"", writeKey(t, "b")} {
		cfg.KeyFile = key
		if _, err := Open(cfg, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), errKey.Error()) {
			t.Error(err)
		}
	}
	if !bytes.Equal(mustRead(t, path), damaged) || len(aside(t, cfg.Dir)) != 0 {
		t.Error("the file was changed")
	}
}

// On a disk that is full or read-only the corrupt file stays, and is salvaged when the disk can be written.
func TestSalvageLater(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, dir string) (end func()){
		"full": func(t *testing.T, dir string) func() {
			ballast := filepath.Join(dir, "ballast")
			_ = os.WriteFile(ballast, make([]byte, 16<<20), 0o600) // until nothing fits
			return func() { _ = os.Remove(ballast) }
		},
		"read-only": func(t *testing.T, dir string) func() {
			remount := func(flags uintptr) {
				if err := unix.Mount("", dir, "", unix.MS_REMOUNT|flags, "size=8m"); err != nil {
					t.Fatal(err)
				}
			}
			remount(unix.MS_RDONLY)
			return func() { remount(0) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := onDisk(t)
			cfg.Dir, cfg.DrainRate = smallDisk(t, "size=8m"), maxRate
			file, alive := history(t, cfg, 40)
			if err := os.WriteFile(filepath.Join(cfg.Dir, fileName), zero(file, 0, 1), 0o600); err != nil {
				t.Fatal(err)
			}
			end := prepare(t, cfg.Dir)
			q := mustOpen(t, cfg, quick())
			hold(t, q, "gate", 2)
			end()
			eventually(t, "salvaged", func() bool {
				s := q.Stats()
				return s.Held == 0 && s.Restored >= uint64(len(alive))
			})
			balanced(t, q)
			mustClose(t, q)
			if s := mustOpen(t, cfg, quick()).Stats(); s.Restored < uint64(len(alive)+2) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A kill after the damaged file was set aside and before the new one is in place loses nothing, also if an empty file has
// the place.
func TestSalvageInterrupted(t *testing.T) {
	for name, leave := range map[string]func(path string) error{
		"no file":       func(string) error { return nil },
		"an empty file": func(path string) error { return os.WriteFile(path, nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := onDisk(t)
			_, alive := history(t, cfg, 20)
			path := filepath.Join(cfg.Dir, fileName)
			if err := errors.Join(os.Rename(path, path+complete), leave(path)); err != nil {
				t.Fatal(err)
			}
			if s := mustOpen(t, cfg, quick()).Stats(); s.Restored != uint64(len(alive)) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// Whatever a file contains, the search ends, and the entries that it finds are sound, found once each, and within the
// file.
func FuzzSearchFile(f *testing.F) {
	dir := f.TempDir()
	cfg := Default()
	cfg.Dir = dir
	q, err := open(cfg, zerolog.Nop(), quick())
	if err != nil {
		f.Fatal(err)
	}
	for n := range 6 {
		if err := q.Add(Event{Camera: "door", Score: 50, Data: jsonText(n)[:40]}); err != nil {
			f.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		f.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file, 0, byte(0))
	f.Add(file[:4096], 8, byte(0xff))
	f.Add(file[4096:], 17, byte(1))
	f.Add([]byte("no database"), 3, byte(2))
	f.Fuzz(func(t *testing.T, data []byte, at int, with byte) {
		data = bytes.Clone(data)
		if len(data) > 0 {
			data[uint(at)%uint(len(data))] ^= with
		}
		sealing, err := chacha20poly1305.NewX(make([]byte, chacha20poly1305.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		searchFile(bytes.NewReader(data), int64(len(data)), sealing, farFuture())
		s := searchFile(bytes.NewReader(data), int64(len(data)), nil, farFuture())
		keys := map[string]bool{}
		for _, p := range s.locations {
			r, err := s.read(p)
			if err != nil || p.at < 0 || p.at+int64(p.size) > int64(len(data)) {
				t.Fatal(p, err)
			}
			if keys[string(r.data)+r.camera] {
				t.Fatal("twice")
			}
			keys[string(r.data)+r.camera] = true
		}
		if !slices.IsSortedFunc(s.locations, func(a, b location) int { return cmp.Compare(a.key, b.key) }) {
			t.Fatal("not in order")
		}
	})
}
