package outbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

const testKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func TestInspectReportsTheState(t *testing.T) {
	cfg := Default()
	cfg.Dir = filepath.Join(t.TempDir(), "new")
	if got, err := Inspect(cfg); err != nil || got.InUse || got.Events != 0 || got.Free == 0 || got.Growth != 64<<20 {
		t.Errorf("before the first start: %+v, %v", got, err)
	}
	if _, err := os.Stat(cfg.Dir); err == nil {
		t.Error("Inspect has created the directory")
	}
	q, err := Open(cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Inspect(cfg); err != nil || !got.InUse || got.Events != -1 || got.Growth >= 64<<20 {
		t.Errorf("in use: %+v, %v", got, err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := Inspect(cfg); err != nil || got.InUse || got.Events != 0 {
		t.Errorf("after the end: %+v, %v", got, err)
	}
	cfg = Default()
	cfg.Store = Memory
	if _, err := Inspect(cfg); err != nil {
		t.Error(err)
	}
}

func TestInspectExplainsFaults(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open := filepath.Join(dir, "open")
	if err := os.MkdirAll(filepath.Join(open, "other"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil { //nolint:gosec // this is the fault
		t.Fatal(err)
	}
	sealed := t.TempDir()
	if err := os.Chmod(sealed, 0o500); err != nil { //nolint:gosec // this is the fault
		t.Fatal(err)
	}
	linked := t.TempDir()
	if err := os.Symlink(write("elsewhere", ""), filepath.Join(linked, fileName)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ dir, key, want string }{
		"no directory": {"", "", "dir: is empty"},
		"a file":       {filepath.Join(write("file", ""), "x"), "", "not a directory: let systemd make the directory"},
		"open":         {open, "", "everybody can write to " + open},
		"a link":       {linked, "", "is a symbolic link"},
		"no key":       {dir, filepath.Join(dir, "absent"), "key_file: the file cannot be opened"},
		"half a key":   {dir, write("half", testKey[:32]), "key_file: the file holds no 64 hexadecimal digits"},
		"read-only":    {sealed, "", "cannot write to " + sealed},
	} {
		if name == "read-only" && os.Geteuid() == 0 {
			continue // root may write there
		}
		cfg := Default()
		cfg.Dir, cfg.KeyFile = c.dir, c.key
		if _, err := Inspect(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
