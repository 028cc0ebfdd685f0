package outbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const lockName = "outbox.lock"

// lockDir makes the folder and takes it for this program. The lock is a file of its own, because outbox.db is replaced
// now and then.
func lockDir(dir string) (*os.File, error) {
	if dir == "" {
		return nil, errors.New("dir: is empty: name a folder, or set store: memory to keep events in memory only")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unwritable(dir, err)
	}
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // in the user's folder
	if err != nil {
		return nil, unwritable(dir, err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil { //nolint:gosec // a small number
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = fmt.Errorf("dir: %s is in use by another facesieve: stop it, or give each a dir of its own", dir)
		}
		return nil, err
	}
	return file, nil
}

func unwritable(dir string, err error) error {
	return fmt.Errorf("dir: cannot write to %s: %w: let systemd make the folder (StateDirectory=facesieve), name another, "+
		"or set store: memory to keep events in memory only", dir, err)
}
