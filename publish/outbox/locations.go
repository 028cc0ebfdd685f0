package outbox

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"
)

// locationsName is a file in the state directory. It is a JSON array of the other directories that may hold events, so
// that a start with another configuration finds them.
const locationsName = "outbox.locations"

const maxLocations = 64 << 10 // bytes of that file

// previousDirs returns the directories in which an earlier run may have left events.
func (c Config) previousDirs() (dirs []string) {
	if c.State == "" {
		return nil
	}
	listed, _ := readLocations(c.State) // without the list there is only the state directory
	for _, dir := range append([]string{c.State}, listed...) {
		own := c.Store == Disk && sameDir(dir, c.Dir)
		if filepath.IsAbs(dir) && !own && !slices.ContainsFunc(dirs,
			func(other string) bool { return sameDir(dir, other) }) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

func readLocations(state string) (dirs []string, err error) {
	file, err := os.Open(filepath.Join(state, locationsName)) //nolint:gosec // in a configured directory
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(file, maxLocations))
	if err != nil {
		return nil, err
	}
	return dirs, json.Unmarshal(text, &dirs)
}

// recordLocations stores the directories of these configurations, and those in which events are left.
func (w *writer) recordLocations(of ...Config) {
	state := of[0].State
	if state == "" {
		return
	}
	dirs := slices.Clone(w.unreachable)
	for _, c := range of {
		if c.Store == Disk {
			dirs = append(dirs, c.Dir)
		}
	}
	for _, p := range w.previous {
		dirs = append(dirs, p.disk.cfg.Dir)
	}
	if err := writeLocations(state, dirs); err != nil {
		w.log.Warn().Err(err).Strs("dirs", dirs).
			Msg("cannot record where events are stored: " +
				"after a kill, or with another outbox.dir, the next start does not find them")
	}
}

// writeLocations replaces the list if it has changed. The state directory itself is not listed. The list is synced
// before events move.
func writeLocations(state string, dirs []string) error {
	var list []string
	for _, dir := range dirs {
		full, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		if !sameDir(full, state) && !slices.Contains(list, full) {
			list = append(list, full)
		}
	}
	path := filepath.Join(state, locationsName)
	before, err := readLocations(state)
	switch {
	case err == nil && slices.Equal(before, list), errors.Is(err, fs.ErrNotExist) && len(list) == 0:
		return nil
	case len(list) == 0:
		return ignoreMissing(os.Remove(path))
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(state, 0o700),
		renameio.WriteFile(path, text, 0o600, renameio.WithTempDir(state)), // it syncs the file
		syncDir(state))
}

// sameDir reports whether two paths lead to the same directory.
func sameDir(a, b string) bool {
	if a == b {
		return true
	}
	one, err1 := os.Stat(a)
	other, err2 := os.Stat(b)
	if err1 == nil && err2 == nil {
		return os.SameFile(one, other)
	}
	fullA, _ := filepath.Abs(a) //nolint:errcheck // empty then
	fullB, _ := filepath.Abs(b) //nolint:errcheck // as above
	return fullA == fullB
}
