package outbox

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func writeKey(t *testing.T, digit string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(strings.Repeat(digit, 64)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// With a key no text of an event is in the file, and with the same key all events are read.
func TestSealed(t *testing.T) {
	cfg := onDisk(t)
	cfg.KeyFile, cfg.DrainRate = writeKey(t, "a"), maxRate
	q := mustOpen(t, cfg, quick())
	add(t, q, "front-door", 1, 50)
	mustClose(t, q)
	file := mustRead(t, filepath.Join(cfg.Dir, fileName))
	if bytes.Contains(file, []byte("front-door")) || bytes.Contains(file, []byte("xxxx")) {
		t.Error("the file can be read")
	}
	q = mustOpen(t, cfg, quick())
	q.Connect()
	if got := all(t, q); !slices.Equal(got, []string{"front-door 1*"}) {
		t.Error(got)
	}
}

// With another key, or none, Open fails and does not change the file.
func TestAnotherKey(t *testing.T) {
	cfg := onDisk(t)
	good := writeKey(t, "a")
	cfg.KeyFile = good
	q := mustOpen(t, cfg, quick())
	add(t, q, "door", 1, 50)
	mustClose(t, q)
	before := mustRead(t, filepath.Join(cfg.Dir, fileName))
	for path, want := range map[string]string{
		writeKey(t, "b"): "key_file: sealed with a key that is not this one: give that key, or move the file away",
		"":               "key_file: is empty: " + errKey.Error(),
	} {
		cfg.KeyFile = path
		_, err := open(cfg, zerolog.Nop(), quick())
		if want := "outbox: " + filepath.Join(cfg.Dir, fileName) + ": " + want; err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	if !bytes.Equal(mustRead(t, filepath.Join(cfg.Dir, fileName)), before) || len(aside(t, cfg.Dir)) != 0 {
		t.Error("the file was changed")
	}
	cfg.KeyFile = good
	if s := mustOpen(t, cfg, quick()).Stats(); s.Restored != 1 {
		t.Errorf("%+v", s)
	}
}

// An empty file that another key has sealed is replaced, because it holds no event.
func TestAnotherKeyOfAnEmptyFile(t *testing.T) {
	cfg := onDisk(t)
	cfg.KeyFile = writeKey(t, "a")
	mustClose(t, mustOpen(t, cfg, quick()))
	cfg.KeyFile = writeKey(t, "b")
	q := mustOpen(t, cfg, quick())
	add(t, q, "door", 1, 50)
	mustClose(t, q)
	if s := mustOpen(t, cfg, quick()).Stats(); s.Restored != 1 || len(aside(t, cfg.Dir)) != 0 {
		t.Errorf("%+v", s)
	}
}

// A file without a key is sealed at the first start with one.
func TestSealedLater(t *testing.T) {
	cfg := onDisk(t)
	q := mustOpen(t, cfg, quick())
	add(t, q, "front-door", 1, 50)
	mustClose(t, q)
	path := filepath.Join(cfg.Dir, fileName)
	if !bytes.Contains(mustRead(t, path), []byte("front-door")) {
		t.Fatal("not plain")
	}
	cfg.KeyFile = writeKey(t, "a")
	q = mustOpen(t, cfg, quick())
	if bytes.Contains(mustRead(t, path), []byte("front-door")) {
		t.Error("still plain")
	}
	q.Connect()
	if got := all(t, q); !slices.Equal(got, []string{"front-door 1*"}) {
		t.Error(got)
	}
}

func TestBadKeyFiles(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"short": {"abcd", 0o600, "holds no 64 hexadecimal digits: make it with openssl rand -hex 32"},
		"no hex": {
			strings.Repeat("secret!!", 8), 0o600, "holds no 64 hexadecimal digits: make it with openssl rand -hex 32",
		},
		"open": {strings.Repeat("a", 64), 0o644, "is open to everybody: chmod 600 it"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		cfg := onDisk(t)
		cfg.KeyFile = path
		_, err := Open(cfg, zerolog.Nop())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") ||
			strings.Contains(err.Error(), dir) {
			t.Error(name, err)
		}
	}
	cfg := onDisk(t)
	cfg.KeyFile = filepath.Join(dir, "missing")
	if _, err := Open(cfg, zerolog.Nop()); err == nil ||
		!strings.Contains(err.Error(), "outbox: key_file: the file cannot be opened: no such file") {
		t.Error(err)
	}
}
