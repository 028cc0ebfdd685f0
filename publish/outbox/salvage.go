package outbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
)

// recover replaces a corrupt file by one with the salvaged entries, and opens it.
func (d *diskStore) recover(cause error) (c content, err error) {
	s, err := d.replaceCorrupt(cause, nil)
	if err != nil {
		return c, err
	}
	if c, err = d.inspect(d.path); err == nil {
		err = d.resume(c)
	}
	c.lost, _ = s.lost()
	return c, err
}

// renew does the same while the file is used. The old file is not closed, because its locks may never be released.
func (d *diskStore) renew(wanted func(record) bool) (map[uint64]bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.db = nil // if a later step fails, the next commit finds the file corrupt again
	s, err := d.replaceCorrupt(errTorn, wanted)
	if err != nil {
		return nil, err
	}
	saved := make(map[uint64]bool, len(s.pieces))
	for _, p := range s.pieces {
		saved[p.key] = true
	}
	return saved, d.reopen()
}

// replaceCorrupt writes the readable entries of the corrupt file to a new one, and sets the corrupt one aside. A kill
// in between leaves one of them in place, or the complete new file beside it.
func (d *diskStore) replaceCorrupt(cause error, wanted func(record) bool) (*survey, error) {
	file, size, err := openCorrupt(d.path)
	switch {
	case errors.Is(err, errNoFile):
		file = nil
	case err != nil:
		return nil, err
	default:
		defer file.Close() //nolint:errcheck // only read
	}
	s, err := d.search(file, size, cause, wanted)
	if err != nil {
		return nil, err
	}
	d.tally, err = d.build(d.path+replacement, d.cipher, func(w *fileWriter) error { return s.copyTo(w, d.cfg.MaxAge) })
	if err != nil {
		return nil, err
	}
	aside, err := d.setAside()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Rename(d.path+replacement, d.path), syncDir(folder(d.path))); err != nil {
		return nil, err
	}
	s.report(d.log.Error().Err(cause).Str("file", aside))
	return s, nil
}

// search surveys a file, and returns errKey if it needs another key.
func (d *diskStore) search(file *os.File, size int64, cause error, wanted func(record) bool) (s *survey, err error) {
	err = guard(func() error {
		s = surveyFile(file, size, d.cipher, wanted, time.Now().Add(surveyTime))
		return nil
	})
	if err == nil && s.proof != nil && !s.opened && !errors.Is(cause, errOtherKey) {
		err = d.prove(s.proof)
	}
	return s, err
}

// report logs what was salvaged.
func (s *survey) report(event *zerolog.Event) {
	event = event.Int("saved", len(s.pieces))
	if lost, certain := s.lost(); certain {
		event = event.Uint64("lost", lost)
	} else {
		event = event.Str("lost", "unknown")
	}
	if !s.complete {
		event = event.Str("searched", fmt.Sprintf("in part: stopped after %v", surveyTime))
	}
	event.Msg("the outbox is corrupt or is not one: what could be read of it is in a new file, " +
		"and the corrupt one was set aside")
}

// openCorrupt opens the file in place of the outbox. It returns errNoFile if that is not a regular file.
func openCorrupt(path string) (*os.File, int64, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, 0, errNoFile
	} else if err != nil {
		return nil, 0, err
	}
	file, err := os.Open(path) //nolint:gosec // the outbox
	return file, info.Size(), err
}

// copyTo writes the entries that were found. Of several with the same key all but the first get another key.
func (s *survey) copyTo(w *fileWriter, maxAge time.Duration) error {
	w.clock = clockValue(s.now(maxAge), time.Now())
	if s.tally.last < 1<<62 { // beyond, it is damaged
		w.tally.last = s.tally.last
	}
	next := max(w.tally.last, s.last)
	for i, p := range s.pieces {
		r, err := s.record(p)
		if err != nil {
			return err
		}
		if i > 0 && p.key == s.pieces[i-1].key {
			next++
			r.key = next
		}
		if err := w.put(r); err != nil {
			return err
		}
	}
	return nil
}

// setAside renames the file, so that it can be examined. Only the last one is kept, because it holds faces and uses
// disk space.
func (d *diskStore) setAside() (string, error) {
	name := d.path + ".corrupt-" + time.Now().UTC().Format("20060102T150405.000000000Z")
	if err := ignoreMissing(os.Rename(d.path, name)); err != nil {
		return "", fmt.Errorf("set a corrupt file aside: %w", err)
	}
	names, _ := filepath.Glob(d.path + ".corrupt-*") //nolint:errcheck // the pattern is sound
	for _, old := range names {
		if old != name {
			_ = os.Remove(old)
		}
	}
	return name, nil
}
