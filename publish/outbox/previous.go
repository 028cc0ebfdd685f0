package outbox

import (
	"crypto/cipher"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// previous is a file whose entries move to the present store. It is removed when it is empty.
type previous struct {
	disk           *diskStore
	clock          clock
	moved, damaged int  // entries
	logged         bool // a failed removal was logged
}

// openPrevious opens the files that earlier runs with other configurations have left in the state directory and in the
// directories that are recorded there.
func (w *writer) openPrevious() {
	for _, dir := range w.cfg.previousDirs() {
		path := filepath.Join(dir, fileName)
		if isEmpty(path) && isEmpty(path+complete) {
			continue
		}
		if err := w.openPreviousIn(dir); err != nil {
			w.unreachable = append(w.unreachable, dir)
			w.log.Error().Err(err).Str("dir", dir).
				Msg("an outbox of an earlier configuration may hold events that cannot be carried over now; " +
					"the next start tries again")
		}
	}
	w.recordLocations(w.cfg)
}

func (w *writer) openPreviousIn(dir string) error {
	keys, err := w.cfg.keys()
	if err != nil {
		return err
	}
	cfg := w.cfg
	cfg.Dir = dir
	var d *diskStore
	var c contents
	for _, key := range keys {
		if d, c, err = openDisk(cfg, key, false, w.log); !errors.Is(err, errKey) {
			break
		}
	}
	if err != nil {
		return err
	}
	w.previous = append(w.previous, &previous{disk: d, clock: clock{base: c.clock, started: time.Now()}})
	if c.number() > 0 {
		w.log.Info().Str("from", dir).Str("to", w.cfg.location()).Int("events", len(c.records)).
			Int("damaged", len(c.damaged)).Uint64("lost", c.lost).
			Msg("the outbox moves: what an earlier run has left is carried over")
	}
	w.admit(d, c)
	return nil
}

// isEmpty reports whether there is no file, or an empty one.
func isEmpty(path string) bool {
	info, err := os.Lstat(path)
	return err != nil || info.Mode().IsRegular() && info.Size() == 0
}

// keys returns the ciphers that may have sealed the file of an earlier run.
func (c Config) keys() ([]cipher.AEAD, error) {
	key, err := readKey(c.KeyFile)
	stateKey, stateErr := readKey(c.StateKey)
	if err := errors.Join(err, stateErr); err != nil || stateKey == nil {
		return []cipher.AEAD{key}, err
	}
	return []cipher.AEAD{key, stateKey}, nil
}

// previousOf returns the previous file that a store is, or nil.
func (w *writer) previousOf(s store) *previous {
	for _, p := range w.previous {
		if s == store(p.disk) {
			return p
		}
	}
	return nil
}

// tidyPrevious removes moved and delivered entries from previous files, and then the files that are empty.
func (w *writer) tidyPrevious() {
	for _, p := range slices.Clone(w.previous) {
		if w.inUse(p.disk) || !w.retire(p) {
			w.deleteMoved(p)
		}
	}
}

// inUse reports whether entries are in a store.
func (w *writer) inUse(d store) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.entries {
		if e.store == d {
			return true
		}
	}
	return false
}

// deleteMoved deletes moved and delivered entries from a previous file.
func (w *writer) deleteMoved(p *previous) {
	w.mu.Lock()
	keys := w.removals[p.disk]
	delete(w.removals, p.disk)
	w.mu.Unlock()
	if len(keys) == 0 {
		return
	}
	if err := p.disk.commit(batch{remove: keys, clock: p.clock.now()}); err != nil {
		w.mu.Lock()
		w.removals[p.disk] = append(keys, w.removals[p.disk]...)
		w.mu.Unlock()
		w.cannotDelete(p, err)
	}
}

func (w *writer) cannotDelete(p *previous, err error) {
	if !p.logged {
		p.logged = true
		w.log.Error().Err(err).Str("dir", p.disk.cfg.Dir).
			Msg("events that were carried over cannot be removed from the former outbox; " +
				"this is tried again; after a restart they are sent again")
	}
}

// retire closes and removes a previous file that is empty, and reports whether it could. One with damaged entries is
// set aside.
func (w *writer) retire(p *previous) bool {
	path, detached, err := p.disk.path, p.disk.detached.Load(), error(nil)
	switch {
	case detached: // another file has its name, or none
	case p.damaged > 0:
		_, err = p.disk.setAside()
	default:
		err = ignoreMissing(os.Remove(path))
	}
	if err != nil {
		w.cannotDelete(p, err)
		return false
	}
	w.mu.Lock()
	w.previous = slices.DeleteFunc(w.previous, func(other *previous) bool { return other == p })
	delete(w.removals, p.disk)
	w.mu.Unlock()
	err = p.disk.close()
	if detached {
		w.log.Info().AnErr("fault", err).Int("carried_over", p.moved).Int("unreadable", p.damaged).
			Msg("what the outbox held before its file was removed or replaced is in the new one")
		return true
	}
	for _, name := range []string{path + complete, path + unfinished, filepath.Join(p.disk.cfg.Dir, lockName)} {
		err = errors.Join(err, ignoreMissing(os.Remove(name)))
	}
	w.log.Info().AnErr("fault", err).Str("from", p.disk.cfg.Dir).Str("to", w.cfg.location()).
		Int("carried_over", p.moved).Int("unreadable", p.damaged).Msg("the former outbox is empty and was removed")
	w.recordLocations(w.cfg)
	return true
}
