package outbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rs/zerolog"
)

const others = 0o077 // permissions of everybody but the owner

// secureFile refuses a file that belongs to another user or is a link, and restricts the mode of a file to its owner. A
// file that does not exist is not a fault.
func secureFile(path string, log zerolog.Logger) error {
	info, err := os.Lstat(path)
	if err != nil {
		return ignoreMissing(err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return linkFault(path)
	}
	if err := checkOwner(path, info, false); err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		restrict(path, info, 0o600, log)
	}
	return nil
}

func linkFault(path string) error {
	to, _ := os.Readlink(path) //nolint:errcheck // for the message
	return permanent(fmt.Errorf("dir: %s is a symbolic link to %s: "+
		"remove the link, or set dir to the directory of the file", path, to))
}

// secureDir does the same for the directory of the outbox, which may be reached by a link and may belong to root. It
// changes the mode only of a directory that holds nothing else.
func secureDir(cfg Config, log zerolog.Logger) error {
	info, err := os.Stat(cfg.Dir)
	if err != nil {
		return err
	}
	if err := checkOwner(cfg.Dir, info, true); err != nil {
		return err
	}
	if mayRestrict(cfg, info) {
		restrict(cfg.Dir, info, 0o700, log)
		return nil
	}
	return checkOpenDir(cfg.Dir, info)
}

// mayRestrict reports whether the mode of the outbox's directory may be changed.
func mayRestrict(cfg Config, info fs.FileInfo) bool {
	return owner(info) == os.Geteuid() && (cfg.Dir == cfg.State || holdsOnlyOutbox(cfg.Dir))
}

// checkOpenDir returns an error if everybody can replace the files of a directory.
func checkOpenDir(dir string, info fs.FileInfo) error {
	if mode := info.Mode(); mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0 {
		return permanent(fmt.Errorf("dir: everybody can write to %s and replace the outbox: "+
			"chmod o-w %s, or name another directory", dir, dir))
	}
	return nil
}

func checkOwner(path string, info fs.FileInfo, rootToo bool) error {
	uid := owner(info)
	if uid == os.Geteuid() || rootToo && uid == 0 {
		return nil
	}
	return permanent(fmt.Errorf("dir: %s belongs to user %d, and facesieve runs as user %d: "+
		"chown %d %s, or name another directory", path, uid, os.Geteuid(), os.Geteuid(), path))
}

// owner returns the user id of a file's owner; on systems without owners, that of the process.
func owner(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return os.Geteuid()
}

// restrict sets a mode if other users have a permission, and logs it. If that fails, as on FAT, the file is still used.
// On a read-only disk the mode is set when the disk can be written.
func restrict(path string, info fs.FileInfo, mode fs.FileMode, log zerolog.Logger) {
	if info.Mode().Perm()&others == 0 {
		return
	}
	before := fmt.Sprintf("%04o", info.Mode().Perm())
	switch err := os.Chmod(path, mode); {
	case errors.Is(err, syscall.EROFS):
	case err != nil:
		log.Warn().Err(err).Str("path", path).Str("mode", before).
			Msg("other users can read or write the outbox, and its mode cannot be changed: " +
				"chmod it, or mount with umask=077")
	default:
		log.Warn().Str("path", path).Str("was", before).Str("mode", fmt.Sprintf("%04o", mode)).
			Msg("other users could read or write the outbox: its mode was changed")
	}
}

// holdsOnlyOutbox reports whether all files of a directory belong to an outbox: then its mode may be changed.
func holdsOnlyOutbox(dir string) bool {
	names, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, entry := range names {
		if name := entry.Name(); !strings.HasPrefix(name, "outbox.") && name != "lost+found" {
			return false
		}
	}
	return true
}

// secureAside restricts the modes of the corrupt files that were set aside, because they hold faces.
func secureAside(path string, log zerolog.Logger) {
	names, _ := filepath.Glob(path + asideInfix + "*") //nolint:errcheck // the pattern is sound
	for _, name := range names {
		if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() {
			restrict(name, info, 0o600, log)
		}
	}
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
