package outbox

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"facesieve/publish/publishtest"
)

// waiting takes all events out of an outbox, and returns them as "camera n", sorted.
func waiting(t *testing.T, q *Queue) []string {
	t.Helper()
	q.Connect()
	names := all(t, q)
	slices.Sort(names)
	return names
}

func numbered(camera string, from, to int) (names []string) {
	for n := from; n < to; n++ {
		names = append(names, camera+" "+strconv.Itoa(n)+"*")
	}
	slices.Sort(names)
	return names
}

// hasOutbox reports whether a directory has files of an outbox in use.
func hasOutbox(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, fileName))
	return err == nil
}

func moveConfig(t *testing.T) Config {
	cfg := onDisk(t)
	cfg.State, cfg.DrainRate = t.TempDir(), maxRate
	return cfg
}

// stores returns the configurations between which an outbox moves.
func stores(t *testing.T) map[string]func(Config) Config {
	elsewhere, key := t.TempDir(), writeKey(t, "c")
	return map[string]func(Config) Config{
		"other directory":          func(c Config) Config { c.Dir = elsewhere; return c },
		"other directory and key":  func(c Config) Config { c.Dir, c.KeyFile = elsewhere, key; return c },
		"the same by another path": func(c Config) Config { c.Dir += "/../" + filepath.Base(c.Dir); return c },
		"key":                      func(c Config) Config { c.KeyFile = key; return c },
		"memory":                   func(c Config) Config { c.Store, c.KeyFile = Memory, ""; return c },
		"nothing but the bounds": func(c Config) Config {
			c.MaxEvents, c.MaxMiB, c.DrainRate = 200, 32, 999
			return c
		},
		"directory that is not there": func(c Config) Config { c.Dir = filepath.Join(elsewhere, "x", "y"); return c },
	}
}

// Wherever events are stored from now on, those that wait are carried over, once each. The counts continue, an event in
// flight can be acknowledged, and nothing is left behind.
func TestReconfigure(t *testing.T) {
	for name, change := range stores(t) {
		t.Run(name, func(t *testing.T) {
			old := moveConfig(t)
			cfg := change(old)
			var log publishtest.Log
			q, err := open(old, zerolog.New(&log), quick())
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			for n := range 40 {
				add(t, q, "door", n, 50)
			}
			q.Connect()
			q.Done(take(t, q).Key)
			flying := take(t, q)
			if err := q.Reconfigure(cfg); err != nil {
				t.Fatal(err)
			}
			q.Done(flying.Key)
			add(t, q, "door", 40, 50)
			balanced(t, q)
			moves := !sameDir(old.Dir, cfg.Dir) || cfg.Store == Memory
			eventually(t, "moved", func() bool { return !moves || !hasOutbox(old.Dir) })
			if s := q.Stats(); s.Accepted != 41 || s.Delivered != 2 || s.Queued != 39 || s.Dropped.Total() != 0 {
				t.Errorf("%+v", s)
			}
			eventually(t, "logged", func() bool {
				return !moves || strings.Contains(log.String(), "the outbox moves") &&
					strings.Contains(log.String(), `"carried_over":3`)
			})
			if cfg.Store == Disk {
				mustClose(t, q)
				q = mustOpen(t, cfg, quick())
			}
			q.Disconnect()
			want := append(numbered("door", 2, 40), "door 40*")
			slices.Sort(want)
			if got := waiting(t, q); !slices.Equal(got, want) {
				t.Error(got)
			}
		})
	}
}

// Events move from memory to disk, into a directory that has events of another run already: all are there afterwards.
func TestReconfigureJoins(t *testing.T) {
	cfg := moveConfig(t)
	q := mustOpen(t, cfg, quick())
	for n := range 3 {
		add(t, q, "gate", n, 50)
	}
	mustClose(t, q)
	from := inMemory()
	from.State, from.DrainRate = t.TempDir(), maxRate
	q = mustOpen(t, from, quick())
	for n := range 20 {
		add(t, q, "door", n, 50)
	}
	cfg.State = from.State
	if err := q.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	balanced(t, q)
	if s := q.Stats(); s.Restored != 3 || s.Accepted != 20 || s.Queued != 23 {
		t.Errorf("%+v", s)
	}
	eventually(t, "on disk", func() bool { q.mu.Lock(); defer q.mu.Unlock(); return q.atRisk() == 0 })
	mustClose(t, q)
	if got := waiting(t, mustOpen(t, cfg, quick())); !slices.Equal(got,
		append(numbered("door", 0, 20), numbered("gate", 0, 3)...)) {
		t.Error(got)
	}
}

// The configuration changes back before all events were carried over.
func TestReconfigureThereAndBack(t *testing.T) {
	cfg := moveConfig(t)
	q := mustOpen(t, cfg, quick())
	for n := range 30 {
		add(t, q, "door", n, 50)
	}
	other := cfg
	other.Dir = t.TempDir()
	for _, to := range []Config{other, cfg, other, cfg} {
		if err := q.Reconfigure(to); err != nil {
			t.Fatal(err)
		}
		balanced(t, q)
	}
	eventually(t, "moved", func() bool { return !hasOutbox(other.Dir) })
	mustClose(t, q)
	if got := waiting(t, mustOpen(t, cfg, quick())); !slices.Equal(got, numbered("door", 0, 30)) {
		t.Error(got)
	}
}

// A configuration that cannot be opened changes nothing.
func TestReconfigureRefused(t *testing.T) {
	cfg := moveConfig(t)
	q := mustOpen(t, cfg, quick())
	add(t, q, "door", 1, 50)
	busy, bad := moveConfig(t), moveConfig(t)
	mustOpen(t, busy, quick())
	bad.KeyFile = filepath.Join(t.TempDir(), "missing")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(c *Config){
		"is in use by another facesieve":        func(c *Config) { c.Dir = busy.Dir },
		"key_file: the file cannot be opened: ": func(c *Config) { c.KeyFile = bad.KeyFile },
		"cannot write to ":                      func(c *Config) { c.Dir = filepath.Join(file, "below") },
		"max_events: 0: use 1 to":               func(c *Config) { c.MaxEvents = 0 },
	} {
		to := cfg
		change(&to)
		if err := q.Reconfigure(to); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	add(t, q, "door", 2, 50)
	mustClose(t, q)
	if err := q.Reconfigure(cfg); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if got := waiting(t, mustOpen(t, cfg, quick())); !slices.Equal(got, []string{"door 1*", "door 2*"}) {
		t.Error(got)
	}
}

// Lower bounds drop the lowest scores, counted, in one log line.
func TestReconfigureNarrower(t *testing.T) {
	both(t, func(t *testing.T, cfg Config) {
		var log publishtest.Log
		q, err := open(cfg, zerolog.New(&log), quick())
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		for n := range 20 {
			add(t, q, "door", n, float64(n))
		}
		cfg.MaxEvents = 5
		if err := q.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
		balanced(t, q)
		if s := q.Stats(); s.Dropped != (Losses{Full: 15}) || s.Queued != 5 {
			t.Errorf("%+v", s)
		}
		if n := strings.Count(log.String(), `"dropped":15,"reason":"full"`); n != 1 {
			t.Errorf("logged %d times: %s", n, log.String())
		}
	})
}

// A start with another configuration finds the waiting events, in the state directory or in the last directory of the
// outbox; their ages continue.
func TestStartElsewhere(t *testing.T) {
	key := writeKey(t, "d")
	for name, c := range map[string]struct{ before, after func(c *Config) }{
		"from the state directory": {func(c *Config) { c.Dir = c.State }, func(*Config) {}},
		"from there, to memory":    {func(c *Config) { c.Dir = c.State }, func(c *Config) { c.Store = Memory }},
		"from another directory":   {func(*Config) {}, func(c *Config) { c.Dir = c.State }},
		"from another, to memory":  {func(*Config) {}, func(c *Config) { c.Store = Memory }},
		"sealed in the meantime":   {func(c *Config) { c.Dir = c.State }, func(c *Config) { c.KeyFile = key }},
		"sealed before, with a name": {
			func(c *Config) { c.Dir, c.KeyFile = c.State, key },
			func(c *Config) { c.StateKey = key },
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := moveConfig(t)
			after := before
			c.before(&before)
			c.after(&after)
			q := mustOpen(t, before, quick())
			for n := range 12 {
				add(t, q, "door", n, 50)
			}
			q.mu.Lock()
			q.clock.base += 50 * time.Hour
			q.mu.Unlock()
			mustClose(t, q)
			var log publishtest.Log
			q, err := open(after, zerolog.New(&log), quick())
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			if s := q.Stats(); s.Restored != 12 {
				t.Errorf("%+v", s)
			}
			q.mu.Lock()
			for _, e := range q.entries {
				if age := q.clock.now() - e.created; age < 50*time.Hour || age > 51*time.Hour {
					t.Error("age", age)
				}
			}
			q.mu.Unlock()
			eventually(t, "moved", func() bool { return strings.Contains(log.String(), `"carried_over":12`) })
			if hasOutbox(before.Dir) {
				t.Error("the old file is still there")
			}
			if after.Store == Disk {
				mustClose(t, q)
				q = mustOpen(t, after, quick())
			}
			if got := waiting(t, q); !slices.Equal(got, numbered("door", 0, 12)) {
				t.Error(got)
			}
		})
	}
}

// An outbox that another facesieve uses is not changed, and one that cannot be unsealed stays in place; both are
// logged.
func TestStartElsewhereLeavesAlone(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, c Config){
		"is in use by another facesieve": func(t *testing.T, c Config) {
			add(t, mustOpen(t, c, quick()), "door", 1, 50)
		},
		"that is not this one": func(t *testing.T, c Config) {
			c.KeyFile = writeKey(t, "e")
			q := mustOpen(t, c, quick())
			add(t, q, "door", 1, 50)
			mustClose(t, q)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := moveConfig(t)
			theirs := cfg
			theirs.Dir = cfg.State
			prepare(t, theirs)
			var log publishtest.Log
			q, err := open(cfg, zerolog.New(&log), quick())
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			add(t, q, "gate", 1, 50)
			if !strings.Contains(log.String(), name) || !strings.Contains(log.String(), cfg.State) {
				t.Error(log.String())
			}
			if s := q.Stats(); s.Restored != 0 || !hasOutbox(cfg.State) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// The new disk becomes full during the move: the other events stay where they were, and the next start finds them.
func TestMoveToADiskThatIsFull(t *testing.T) {
	cfg := moveConfig(t)
	q := mustOpen(t, cfg, quick())
	for n := range 300 {
		add(t, q, "door", n, 50)
	}
	other := cfg
	other.Dir = smallDisk(t, "size=1200k")
	if err := q.Reconfigure(other); err != nil {
		t.Fatal(err)
	}
	eventually(t, "full", q.isFailing)
	mustClose(t, q)
	if !hasOutbox(cfg.Dir) {
		t.Fatal("removed")
	}
	if err := unix.Mount("", other.Dir, "", unix.MS_REMOUNT, "size=32m"); err != nil {
		t.Fatal(err)
	}
	q = mustOpen(t, other, quick())
	got := slices.Compact(waiting(t, q))
	if !slices.Equal(got, numbered("door", 0, 300)) {
		t.Error(len(got), got)
	}
	eventually(t, "removed", func() bool { return !hasOutbox(cfg.Dir) })
}

// A damaged list of directories yields no directory, or absolute ones.
func FuzzLocations(f *testing.F) {
	f.Add([]byte(`["/a","b",""]`))
	f.Add([]byte(`["/a`))
	f.Add([]byte(`{"/a":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg := Default()
		cfg.State, cfg.Store = t.TempDir(), Memory
		if err := os.WriteFile(filepath.Join(cfg.State, locationsName), text, 0o600); err != nil {
			t.Fatal(err)
		}
		dirs := cfg.previousDirs()
		if len(dirs) == 0 || dirs[0] != cfg.State ||
			slices.ContainsFunc(dirs, func(dir string) bool { return !filepath.IsAbs(dir) }) {
			t.Error(dirs)
		}
	})
}
