package outbox

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"
)

// Files that are no outbox are set aside untouched, and the box begins anew.
func TestForeignFile(t *testing.T) {
	for name, make := range map[string]func(t *testing.T, path string){
		"text": func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("no database\n"), 5000), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"another program's": func(t *testing.T, path string) {
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			err = db.Update(func(tx *bbolt.Tx) error {
				_, err := tx.CreateBucket([]byte("other"))
				return err
			})
			if err != nil || db.Close() != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := onDisk(t)
			path := filepath.Join(cfg.Dir, fileName)
			make(t, path)
			before := mustRead(t, path)
			b := mustOpen(t, cfg, quick())
			add(t, b, "door", 1, 50)
			if names := aside(t, cfg.Dir); len(names) != 1 || !bytes.Equal(mustRead(t, names[0]), before) {
				t.Error(names)
			}
		})
	}
}

// fill makes an outbox with a history: many events came, some went.
func fill(t *testing.T, cfg Config) {
	t.Helper()
	b := mustOpen(t, cfg, quick())
	b.Connect()
	for i := range 40 {
		add(t, b, "door", i, 50)
		if item, _, ok := b.Next(false); ok && i%3 == 0 {
			b.Done(item.Key)
		}
	}
	mustClose(t, b)
}

// reopened opens a box on a damaged file, uses it, and returns what it said at the start.
func reopened(t *testing.T, cfg Config) Stats {
	t.Helper()
	b, err := open(cfg, zerolog.Nop(), quick())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	s := b.Stats()
	b.Connect()
	add(t, b, "gate", 1, 50)
	if name, _ := next(t, b); name != "gate 1" {
		t.Error(name)
	}
	return s
}

// A file cut off anywhere is set aside whole, and the box goes on.
func TestTruncatedFile(t *testing.T) {
	cfg := onDisk(t)
	fill(t, cfg)
	whole := mustRead(t, filepath.Join(cfg.Dir, fileName))
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // the same every time
	sizes := []int{1, 100, 4095, 4096, 4097, 8192, 16384, len(whole) - 1, len(whole) - 4096, len(whole) / 2}
	for range 90 {
		sizes = append(sizes, 1+random.IntN(len(whole)-1))
	}
	torn := 0
	for _, size := range sizes {
		cfg.Dir = t.TempDir()
		if err := os.WriteFile(filepath.Join(cfg.Dir, fileName), whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		s := reopened(t, cfg)
		names := aside(t, cfg.Dir)
		switch {
		case len(names) == 1 && s.Restored == 0 && len(mustRead(t, names[0])) == size:
			torn++
		case len(names) == 0 && s.Restored == 26 && s.Queued == 26: // only free pages were cut off
		default:
			t.Fatalf("cut to %d of %d: %v, %+v", size, len(whole), names, s)
		}
	}
	t.Logf("outbox file truncated: %d times, %d set aside, %d sound without their end", len(sizes), torn, len(sizes)-torn)
	if torn < 50 {
		t.Error("too few were torn to prove anything")
	}
}

// Bytes that changed in the middle cost the events that they were in, or the file, and never the program.
func TestDamagedFile(t *testing.T) {
	cfg := onDisk(t)
	fill(t, cfg)
	whole := mustRead(t, filepath.Join(cfg.Dir, fileName))
	random := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // the same every time
	torn, dropped := 0, 0
	for i := range 100 {
		cfg.Dir = t.TempDir()
		damaged := bytes.Clone(whole)
		at := random.IntN(len(damaged) - 512)
		if i%4 == 0 {
			at = at / 4096 * 4096 // the head of a page, which bbolt believes
		}
		for j := range 1 + random.IntN(512) {
			damaged[at+j] = byte(random.Uint32())
		}
		if err := os.WriteFile(filepath.Join(cfg.Dir, fileName), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		s := reopened(t, cfg)
		if n := len(aside(t, cfg.Dir)); n > 0 {
			torn++
		} else if s.Restored > 26 || s.Dropped.Total() != s.Dropped.Corrupt {
			t.Errorf("%+v", s)
		} else {
			dropped += int(s.Dropped.Corrupt)
		}
	}
	t.Logf("outbox file damaged: 100 times, %d set aside, %d events dropped in the others", torn, dropped)
	if dropped == 0 || torn == 0 {
		t.Error("nothing was found")
	}
}

// The file is cut off under the running program: reading and writing fail, and the box begins a new one with what it has
// in memory.
func TestFileTornWhileItIsUsed(t *testing.T) {
	cfg := onDisk(t)
	cfg.DrainRate = maxRate
	b := mustOpen(t, cfg, quick())
	for i := range 40 {
		add(t, b, "door", i, 50)
	}
	earlier := filepath.Join(cfg.Dir, fileName+".corrupt-20260101T000000Z") // only the last is kept
	if err := os.WriteFile(earlier, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(cfg.Dir, fileName), 100); err != nil {
		t.Fatal(err)
	}
	b.Connect()
	if err := b.Add(Event{Camera: "gate", Score: 50, Data: text("gate", 1)}); err != nil && !errors.Is(err, ErrHeld) {
		t.Fatal(err)
	}
	eventually(t, "a new file", func() bool {
		for {
			item, _, ok := b.Next(false)
			if !ok {
				break
			}
			b.Done(item.Key)
		}
		s := b.Stats()
		return s.Accepted == 41 && s.Delivered >= 1 && s.Queued == 0 && s.Delivered+s.Dropped.Corrupt == 41
	})
	balanced(t, b)
	eventually(t, "set aside", func() bool {
		names := aside(t, cfg.Dir)
		return len(names) == 1 && names[0] != earlier && !b.isFailing()
	})
	add(t, b, "gate", 2, 50)
	mustClose(t, b)
	if s := mustOpen(t, cfg, quick()).Stats(); s.Restored != 1 {
		t.Errorf("%+v", s)
	}
}
