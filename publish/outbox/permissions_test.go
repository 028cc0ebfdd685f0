package outbox

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"facesieve/publish/publishtest"
)

// filled makes an outbox with one event and returns the path of its file.
func filled(t *testing.T, cfg Config) string {
	t.Helper()
	q := mustOpen(t, cfg, quick())
	add(t, q, "door", 1, 50)
	mustClose(t, q)
	return filepath.Join(cfg.Dir, fileName)
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// Modes that are too open are restricted, with a log line for each, and the files are used.
func TestModesAreTightened(t *testing.T) {
	cfg := onDisk(t)
	path := filled(t, cfg)
	aside := path + ".corrupt-20260101T000000Z"
	if err := os.WriteFile(aside, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	modes := map[string]fs.FileMode{path: 0o644, filepath.Join(cfg.Dir, lockName): 0o666, aside: 0o640, cfg.Dir: 0o777}
	for path, mode := range modes {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	var log publishtest.Log
	q, err := open(cfg, zerolog.New(&log), quick())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for path := range modes {
		if m := mode(t, path); m&others != 0 {
			t.Errorf("%s has mode %04o", path, m)
		}
		if !strings.Contains(log.String(), `"path":"`+path+`"`) {
			t.Error(path, "is not logged")
		}
	}
	if s := q.Stats(); s.Restored != 1 {
		t.Errorf("%+v", s)
	}
}

// A directory that others use too keeps its mode: it might be /tmp. One where everybody can replace files is refused.
func TestSharedDirectory(t *testing.T) {
	cfg := onDisk(t)
	path := filled(t, cfg)
	if err := os.WriteFile(filepath.Join(cfg.Dir, "letter.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mode fs.FileMode
		want string
	}{{0o755, ""}, {0o777 | fs.ModeSticky, ""}, {0o777, "everybody can write to " + cfg.Dir}} {
		if err := errors.Join(os.Chmod(cfg.Dir, c.mode), os.Chmod(path, 0o644)); err != nil {
			t.Fatal(err)
		}
		q, err := open(cfg, testLog(t), quick())
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "chmod o-w") {
				t.Error(err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		mustClose(t, q)
		if m := mode(t, cfg.Dir); m != c.mode.Perm() || mode(t, path) != 0o600 {
			t.Errorf("%04o was changed to %04o", c.mode, m)
		}
	}
}

// A link is not followed, and the message has the fix; a directory may be reached by a link, as systemd's is.
func TestLinks(t *testing.T) {
	for _, name := range []string{fileName, lockName} {
		cfg := onDisk(t)
		path := filepath.Join(filepath.Dir(filled(t, cfg)), name)
		outside := filepath.Join(t.TempDir(), "outside")
		if err := errors.Join(os.Rename(path, outside), os.Symlink(outside, path)); err != nil {
			t.Fatal(err)
		}
		before := mustRead(t, outside)
		want := path + " is a symbolic link to " + outside +
			": remove the link, or set dir to the directory of the file"
		if _, err := Open(cfg, testLog(t)); err == nil || !strings.Contains(err.Error(), want) {
			t.Error(name, err)
		}
		if !slices.Equal(before, mustRead(t, outside)) {
			t.Error("the file was changed")
		}
	}
	cfg := onDisk(t)
	filled(t, cfg)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(cfg.Dir, link); err != nil {
		t.Fatal(err)
	}
	cfg.Dir = link
	if s := mustOpen(t, cfg, quick()).Stats(); s.Restored != 1 {
		t.Errorf("%+v", s)
	}
}

// Files and directories of another user are refused, with the command that fixes it. root may own the directory.
func TestOtherOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can change the owner of a file")
	}
	for _, name := range []string{fileName, lockName, "."} {
		cfg := onDisk(t)
		path := filepath.Join(filepath.Dir(filled(t, cfg)), name)
		if err := os.Chown(path, 4711, 4711); err != nil {
			t.Skip("cannot change the owner of a file:", err)
		}
		want := "belongs to user 4711, and facesieve runs as user 0: chown 0 " + path
		if _, err := Open(cfg, testLog(t)); err == nil || !strings.Contains(err.Error(), want) {
			t.Error(name, err)
		}
	}
}

// Anything but a regular file at the path of the outbox is set aside without being read: reading a pipe would never
// end.
func TestNoRegularFile(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"pipe":      func(path string) error { return exec.Command("mkfifo", path).Run() },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := onDisk(t)
			if err := make(filepath.Join(cfg.Dir, fileName)); err != nil {
				t.Fatal(err)
			}
			add(t, mustOpen(t, cfg, quick()), "door", 1, 50)
			if names := aside(t, cfg.Dir); len(names) != 1 {
				t.Error(names)
			}
		})
	}
}
