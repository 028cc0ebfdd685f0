package outbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// Inspection is the state of an outbox on disk.
type Inspection struct {
	InUse  bool  // a running facesieve holds the lock
	Events int   // that wait; -1 if the outbox is in use, because its file changes then
	Free   int64 // bytes that may be written on the disk
	Growth int64 // bytes by which the file may still grow: max_mib less its present size
}

// Inspect returns the state of the outbox of cfg, or the error with which Open would refuse it or could not write to
// it. It changes nothing, and does not disturb a program that has opened the outbox. It holds the lock of a free outbox
// for the time of a system call; an Open at this moment fails. If the caller is root, the files may belong to any user,
// because systemd gives them to that of the service.
func Inspect(cfg Config) (Inspection, error) {
	result := Inspection{Events: -1}
	key, err := readKey(cfg.KeyFile)
	if err != nil || cfg.Store == Memory {
		return result, err
	}
	if cfg.Dir == "" {
		return result, errNoDir
	}
	if err := checkDir(cfg); err != nil {
		return result, err
	}
	path := filepath.Join(cfg.Dir, fileName)
	if err := inspectFile(path); err != nil {
		return result, err
	}
	if result.Free, err = freeBytes(nearest(cfg.Dir)); err != nil {
		return result, err
	}
	result.Growth = int64(cfg.MaxMiB) << 20
	if info, err := os.Lstat(path); err == nil {
		result.Growth = max(0, result.Growth-info.Size())
	}
	if result.InUse, err = locked(filepath.Join(cfg.Dir, lockName)); err != nil || result.InUse {
		return result, err
	}
	d := &diskStore{path: path, key: key, log: zerolog.Nop()}
	d.configure(cfg)
	found, err := d.check()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return result, fmt.Errorf("%s: %w", path, err)
	}
	result.Events = found.number()
	return result, nil
}

// checkDir returns an error if the directory cannot be written or created, or if another user can replace its files.
func checkDir(cfg Config) error {
	existing := nearest(cfg.Dir)
	info, err := os.Stat(existing)
	if err == nil && !info.IsDir() {
		err = unix.ENOTDIR
	}
	if err == nil {
		err = unix.Faccessat(unix.AT_FDCWD, existing, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	}
	if err != nil {
		return unwritable(cfg.Dir, err)
	}
	if existing != filepath.Clean(cfg.Dir) || mayRestrict(cfg, info) {
		return nil
	}
	if os.Geteuid() != 0 {
		if err := checkOwner(cfg.Dir, info, true); err != nil {
			return err
		}
	}
	return checkOpenDir(cfg.Dir, info)
}

// inspectFile returns an error if the file of the outbox is a link, or belongs to another user than the caller.
func inspectFile(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return ignoreMissing(err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return linkFault(path)
	}
	if os.Geteuid() == 0 {
		return nil
	}
	return checkOwner(path, info, false)
}

// nearest returns dir, or the nearest directory above it that exists.
func nearest(dir string) string {
	dir = filepath.Clean(dir)
	for {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// freeBytes returns the number of bytes that a user without privileges may write on the disk of a directory.
func freeBytes(dir string) (int64, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return 0, fmt.Errorf("dir: read the free space of %s: %w", dir, err)
	}
	return int64(disk.Bavail) * disk.Bsize, nil //nolint:gosec // far below 2^63
}

// locked reports whether a program holds the lock of an outbox. Without a lock file there is none.
func locked(path string) (bool, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0) //nolint:gosec // in a configured directory
	if err != nil {
		return false, ignoreMissing(err)
	}
	defer file.Close()                                          //nolint:errcheck // this ends the lock
	err = unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB) //nolint:gosec // a small number
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}
