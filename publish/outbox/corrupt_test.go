package outbox

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

// Files that are not an outbox are set aside unchanged, and a new one is created.
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
			q := mustOpen(t, cfg, quick())
			add(t, q, "door", 1, 50)
			if names := aside(t, cfg.Dir); len(names) != 1 || !bytes.Equal(mustRead(t, names[0]), before) {
				t.Error(names)
			}
		})
	}
}

// The file is truncated while it is used: reading and writing fail, and a new file gets what is in memory.
func TestFileTruncatedWhileItIsUsed(t *testing.T) {
	cfg := onDisk(t)
	cfg.DrainRate = maxRate
	q := mustOpen(t, cfg, quick())
	for i := range 40 {
		add(t, q, "door", i, 50)
	}
	earlier := filepath.Join(cfg.Dir, fileName+".corrupt-20260101T000000Z") // only the last is kept
	if err := os.WriteFile(earlier, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(cfg.Dir, fileName), 100); err != nil {
		t.Fatal(err)
	}
	q.Connect()
	if err := q.Add(Event{Camera: "gate", Score: 50, Data: text("gate", 1)}); err != nil && !errors.Is(err, ErrHeld) {
		t.Fatal(err)
	}
	eventually(t, "a new file", func() bool {
		for {
			item, _, ok := q.Next(false)
			if !ok {
				break
			}
			q.Done(item.Key)
		}
		s := q.Stats()
		return s.Accepted == 41 && s.Delivered >= 1 && s.Queued == 0 && s.Delivered+s.Dropped.Corrupt == 41
	})
	balanced(t, q)
	eventually(t, "set aside", func() bool {
		names := aside(t, cfg.Dir)
		return len(names) == 1 && names[0] != earlier && !q.isFailing()
	})
	add(t, q, "gate", 2, 50)
	mustClose(t, q)
	if s := mustOpen(t, cfg, quick()).Stats(); s.Restored != 1 {
		t.Errorf("%+v", s)
	}
}
