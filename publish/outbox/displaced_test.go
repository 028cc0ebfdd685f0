package outbox

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"facesieve/publish/publishtest"
)

// The file or its directory is removed or replaced while it is used, or the disk is mounted again: the waiting events
// are in the new file, once.
func TestFileReplacedWhileItIsUsed(t *testing.T) {
	for name, replace := range map[string]func(dir string) error{
		"file removed":      func(dir string) error { return os.Remove(filepath.Join(dir, fileName)) },
		"directory removed": os.RemoveAll,
		"directory renamed": func(dir string) error { return os.Rename(dir, dir+".old") },
		"mounted again": func(dir string) error {
			path := filepath.Join(dir, fileName)
			file, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path+".copy", file, 0o600), os.Rename(path+".copy", path))
		},
		"garbage": func(dir string) error {
			path := filepath.Join(dir, fileName)
			return errors.Join(os.WriteFile(path+".copy", make([]byte, 99999), 0o600), os.Rename(path+".copy", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := onDisk(t)
			cfg.Dir, cfg.DrainRate = filepath.Join(cfg.Dir, "outbox"), maxRate
			var log publishtest.Log
			q, err := open(cfg, zerolog.New(&log), quick())
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			for n := range 20 {
				add(t, q, "door", n, 50)
			}
			if err := replace(cfg.Dir); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a new file", func() bool {
				return strings.Contains(log.String(), "was removed or replaced while it was used") && hasOutbox(cfg.Dir)
			})
			if err := q.Add(Event{Camera: "door", Score: 50, Data: text("door", 20)}); err != nil &&
				!errors.Is(err, ErrHeld) {
				t.Fatal(err)
			}
			balanced(t, q)
			eventually(t, "written", func() bool { s := q.Stats(); return s.Accepted == 21 && s.Held == 0 })
			mustClose(t, q)
			q = mustOpen(t, cfg, quick())
			want := append(numbered("door", 0, 20), "door 20*")
			slices.Sort(want)
			if got := waiting(t, q); !slices.Equal(got, want) {
				t.Error(got)
			}
		})
	}
}
