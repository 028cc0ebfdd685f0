package outbox

import (
	"crypto/cipher"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// former is a file whose events move to the present store.
type former struct {
	disk           *diskStore
	clock          clock
	moved, damaged int
	logged         bool // a failed removal was logged
}

// openFormers opens the files that earlier runs with other configurations have left. It checks only the state directory
// and the directories that are recorded there.
func (b *Box) openFormers() {
	for _, dir := range b.cfg.formerDirs() {
		err := b.openFormer(dir)
		switch {
		case err == nil || errors.Is(err, fs.ErrNotExist):
		default:
			b.unreachable = append(b.unreachable, dir)
			b.log.Error().Err(err).Str("dir", dir).
				Msg("an outbox of an earlier configuration may hold events that cannot be carried over now; " +
					"the next start tries again")
		}
	}
	b.recordLocations(b.cfg)
}

// openFormer returns fs.ErrNotExist if there is nothing in a directory.
func (b *Box) openFormer(dir string) error {
	path := filepath.Join(dir, fileName)
	if empty(path) && empty(path+replacement) {
		return fs.ErrNotExist
	}
	keys, err := b.cfg.keys()
	if err != nil {
		return err
	}
	cfg := b.cfg
	cfg.Dir = dir
	var d *diskStore
	var c content
	for _, key := range keys {
		if d, c, err = openExisting(cfg, key, nil, b.log); !errors.Is(err, errKey) {
			break
		}
	}
	if err != nil {
		if d != nil {
			_ = d.lock.Close()
		}
		return err
	}
	b.formers = append(b.formers, &former{disk: d, clock: clock{base: c.clock, started: time.Now()}})
	if n := len(c.records) + len(c.damaged); n > 0 || c.lost > 0 {
		b.log.Info().Str("from", dir).Str("to", b.cfg.location()).Int("events", len(c.records)).
			Int("damaged", len(c.damaged)).
			Uint64("lost", c.lost).Msg("the outbox moves: what an earlier run has left is carried over")
	}
	b.admit(c, d, c.clock)
	b.trim()
	return nil
}

func empty(path string) bool {
	info, err := os.Lstat(path)
	return err != nil || info.Mode().IsRegular() && info.Size() == 0
}

// keys returns the ciphers that may have sealed the file of an earlier run.
func (c Config) keys() ([]cipher.AEAD, error) {
	var keys []cipher.AEAD
	for _, path := range []string{c.KeyFile, c.StateKey} {
		key, err := readKey(path)
		if err != nil {
			return nil, err
		}
		if key != nil || path == c.KeyFile {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// formerOf is the former that an entry is in, or nil.
func (b *Box) formerOf(e *entry) *former {
	for _, f := range b.formers {
		if e.home == store(f.disk) {
			return f
		}
	}
	return nil
}

// moved records that an entry is in the present store too.
func (b *Box) moved(e *entry) {
	if f := b.formerOf(e); f != nil {
		f.moved++
		b.removed[e.home] = append(b.removed[e.home], e.slot)
	}
}

// tidyFormers removes moved and delivered entries from former files, and then the files that are empty.
func (b *Box) tidyFormers() {
	for _, f := range slices.Clone(b.formers) {
		b.mu.Lock()
		left := len(b.moving) > 0 || b.anyIn(f.disk)
		b.mu.Unlock()
		if left || !b.retire(f) {
			b.clean(f)
		}
	}
}

func (b *Box) anyIn(home store) bool {
	for _, e := range b.entries {
		if e.home == home {
			return true
		}
	}
	return false
}

// clean deletes moved and delivered entries from a former file.
func (b *Box) clean(f *former) {
	b.mu.Lock()
	keys := b.removed[f.disk]
	delete(b.removed, f.disk)
	b.mu.Unlock()
	if len(keys) == 0 {
		return
	}
	err := f.disk.commit(batch{remove: keys, clock: f.clock.now()})
	if err == nil {
		return
	}
	b.mu.Lock()
	b.removed[f.disk] = append(keys, b.removed[f.disk]...)
	b.mu.Unlock()
	b.leftBehind(f, err)
}

func (b *Box) leftBehind(f *former, err error) {
	if !f.logged {
		f.logged = true
		b.log.Error().Err(err).Str("dir", f.disk.cfg.Dir).
			Msg("events that were carried over cannot be removed from the former outbox; " +
				"this is tried again; after a restart they are sent again")
	}
}

// retire removes a former file that holds nothing any more, and reports whether it could; a damaged one is set aside.
func (b *Box) retire(f *former) bool {
	path, err := f.disk.path, error(nil)
	switch {
	case f.disk.detached.Load(): // another file has its name, or none
	case f.damaged > 0:
		_, err = f.disk.setAside()
	default:
		err = ignoreMissing(os.Remove(path))
	}
	if err != nil {
		b.leftBehind(f, err)
		return false
	}
	b.mu.Lock()
	b.formers = slices.DeleteFunc(b.formers, func(other *former) bool { return other == f })
	delete(b.removed, f.disk)
	b.mu.Unlock()
	err = f.disk.close()
	if f.disk.detached.Load() {
		b.log.Info().AnErr("fault", err).Int("carried_over", f.moved).Int("unreadable", f.damaged).
			Msg("what the outbox held before its file was removed or replaced is in the new one")
		return true
	}
	for _, name := range []string{path + replacement, path + unfinished, filepath.Join(f.disk.cfg.Dir, lockName)} {
		err = errors.Join(err, ignoreMissing(os.Remove(name)))
	}
	b.log.Info().AnErr("fault", err).Str("from", f.disk.cfg.Dir).Str("to", b.cfg.location()).
		Int("carried_over", f.moved).
		Int("unreadable", f.damaged).Msg("the former outbox is empty and was removed")
	b.recordLocations(b.cfg)
	return true
}
