package outbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

const lockName = "outbox.lock"

var errNoDir = errors.New("dir: is empty: name a directory, or set store: memory to keep events in memory only")

// lockDir creates the directory and locks it for this process. The lock is a file of its own, because outbox.db is
// replaced from time to time.
func lockDir(cfg Config, log zerolog.Logger) (*os.File, error) {
	dir := cfg.Dir
	if dir == "" {
		return nil, errNoDir
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unwritable(dir, err)
	}
	path := filepath.Join(dir, lockName)
	if err := errors.Join(secureDir(cfg, log), secureFile(path, log)); err != nil {
		return nil, err
	}
	file, err := openLock(path)
	if err != nil {
		return nil, unwritable(dir, err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil { //nolint:gosec // a small number
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = permanent(fmt.Errorf("dir: %s is in use by another facesieve: "+
				"stop it, or give each a dir of its own", dir))
		}
		return nil, err
	}
	return file, nil
}

// openLock opens the file to lock. On a disk that cannot be written an existing outbox can still be read: then openLock
// opens the existing lock file for reading or, if there is none, the directory.
func openLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600) //nolint:gosec // configured
	if err == nil {
		return file, nil
	}
	dir := filepath.Dir(path)
	if _, missing := os.Stat(filepath.Join(dir, fileName)); missing != nil {
		return nil, err
	}
	if file, readErr := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0); readErr == nil { //nolint:gosec // as above
		return file, nil
	}
	if file, readErr := os.Open(dir); readErr == nil { //nolint:gosec // as above
		return file, nil
	}
	return nil, err
}

// replaceDirLock replaces a lock on the directory, see openLock, by one on the lock file.
func (d *diskStore) replaceDirLock() error {
	info, err := d.lock.Stat()
	if err != nil || !info.IsDir() {
		return err
	}
	lock, err := lockDir(d.cfg, d.log)
	if err != nil {
		return err
	}
	_ = d.lock.Close()
	d.lock = lock
	return nil
}

// unwritable adds the fix to the error of a directory in which no file can be written.
func unwritable(dir string, err error) error {
	fix := "let systemd make the directory (StateDirectory=facesieve), name another, " +
		"or set store: memory to keep events in memory only"
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		fix = "make room on that disk, or name a directory on another"
	case errors.Is(err, unix.EROFS):
		fix = "mount that disk for writing, or name a directory on another"
	case errors.Is(err, unix.EIO):
		fix = "the disk is failing: replace it, or name a directory on another"
	}
	return fmt.Errorf("dir: cannot write to %s: %w: %s", dir, err, fix)
}

// permanentError is a fault that does not pass. After any other Open continues in memory and tries again.
type permanentError struct{ error }

func (p permanentError) Unwrap() error { return p.error }

func permanent(err error) error { return permanentError{err} }

func isPermanent(err error) bool {
	var p permanentError
	return errors.As(err, &p) || errors.Is(err, errKey) || errors.Is(err, bolterrors.ErrTimeout)
}
