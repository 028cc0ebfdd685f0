package outbox

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	bolterrors "go.etcd.io/bbolt/errors"
)

// contents is what a file holds.
type contents struct {
	records []record // without data
	damaged []uint64 // keys of records that cannot be read
	lost    uint64   // records that were in a corrupt file and could not be salvaged, as far as that is known
	tally   tally
	clock   time.Duration
	sealed  bool  // by a key
	usage   int64 // bytes of all records on disk
}

// number returns how many records were found or lost.
func (c *contents) number() int { return len(c.records) + len(c.damaged) + int(c.lost) } //nolint:gosec // bounded

// openDisk locks the directory, checks the file, and opens it for writing, or only for reading if the disk is
// read-only. A file that does not exist is created. One that is corrupt, or is known to be, is salvaged.
func openDisk(cfg Config, key cipher.AEAD, knownCorrupt bool, log zerolog.Logger) (*diskStore, contents, error) {
	lock, err := lockDir(cfg, log)
	if err != nil {
		return nil, contents{}, err
	}
	d := &diskStore{path: filepath.Join(cfg.Dir, fileName), key: key, lock: lock, log: log}
	d.configure(cfg)
	c, err := d.load(knownCorrupt)
	if err != nil {
		_ = lock.Close()
		return nil, c, err
	}
	return d, c, nil
}

func (d *diskStore) load(knownCorrupt bool) (contents, error) {
	if err := d.prepare(); err != nil {
		return contents{}, err
	}
	c, err := d.check()
	if err == nil && knownCorrupt {
		err = errCorrupt
	}
	if err == nil {
		err = d.openChecked(c)
	}
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist):
		return d.create()
	case isNotTheFile(err):
		return c, fmt.Errorf("%s: %w", d.path, err)
	default:
		var s *search
		if s, err = d.salvage(err); err == nil {
			c, err = d.check()
		}
		if err != nil {
			return c, fmt.Errorf("salvage %s: %w", d.path, err)
		}
		c.lost, _ = s.lost()
	}
	for _, number := range c.damaged {
		d.log.Warn().Err(errDamaged).Uint64("entry", number).Msg(cannotBeRead)
	}
	return c, nil
}

// isNotTheFile reports whether an error has another cause than a corrupt file, which then stays where it is.
func isNotTheFile(err error) bool {
	var system syscall.Errno
	return errors.Is(err, errKey) || errors.Is(err, bolterrors.ErrTimeout) || // another program has opened it
		errors.As(err, &system) && system != syscall.EIO
}

// prepare checks the permissions of the files, and completes what a kill has interrupted.
func (d *diskStore) prepare() error {
	if err := secureFile(d.path, d.log); err != nil {
		return err
	}
	secureAside(d.path, d.log)
	_ = os.Remove(d.path + unfinished)
	if !isEmpty(d.path) {
		_ = os.Remove(d.path + complete) // the present file has everything
		return nil
	}
	return ignoreMissing(os.Rename(d.path+complete, d.path))
}

// create makes an empty file.
func (d *diskStore) create() (contents, error) {
	_, err := d.build(d.key, firstClock, 0, func(func(record, error) bool) {})
	if err == nil {
		err = d.install()
	}
	if err == nil {
		err = d.open(false)
	}
	if err != nil {
		return contents{}, unwritable(d.cfg.Dir, err)
	}
	return contents{clock: firstClock, sealed: d.key != nil}, nil
}

var errNotRegular = errors.New("not a regular file")

// openRegular opens a file for reading. It does not open a pipe, which would block.
func openRegular(path string) (*os.File, int64, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errNotRegular
	}
	file, err := os.Open(path) //nolint:gosec // the outbox
	return file, info.Size(), err
}

// check reads all of the file. It returns fs.ErrNotExist if there is none, errCorrupt if it is not sound, and errKey.
func (d *diskStore) check() (c contents, err error) {
	file, size, err := openRegular(d.path)
	switch {
	case errors.Is(err, errNotRegular):
		return c, fmt.Errorf("%w: %w", errCorrupt, err)
	case err != nil:
		return c, err
	}
	defer file.Close() //nolint:errcheck // only read
	if size == 0 {     // the power failed before the first write
		return c, fs.ErrNotExist
	}
	err = guard(func() error {
		t := readTree(file, size, d.key, func(l location, r record) {
			r.data = nil
			c.records = append(c.records, r)
			c.clock, c.tally.last = max(c.clock, r.created), max(c.tally.last, r.key)
			c.usage += diskUsage(l.size)
		})
		if err := t.fault(); err != nil {
			return err
		}
		return c.complete(t)
	})
	return c, err
}

// complete adds what the tree has besides sound records, and checks it.
func (c *contents) complete(t *tree) error {
	c.damaged = slices.Sorted(maps.Keys(t.damaged))
	c.tally.count = uint64(len(c.records) + len(c.damaged))
	for _, number := range c.damaged {
		c.tally.last = max(c.tally.last, number)
	}
	clock, _ := parseClock(t.metadata[clockKey])
	c.clock = max(c.clock, clock)
	stored, tx, ok := parseTally(t.metadata[tallyKey])
	if ok && tx == t.meta.tx { // otherwise an earlier version, which stores no tally, wrote the last commit
		if c.tally.count != stored.count {
			return fmt.Errorf("%w: it has %d of %d events", errCorrupt, c.tally.count, stored.count)
		}
		c.tally.last = max(c.tally.last, stored.last)
	}
	proof := t.metadata[proofKey]
	if c.sealed = proof != nil; !c.sealed {
		return nil
	}
	err := checkKey(proof, t.key)
	switch {
	case err != nil && c.tally.count == 0:
		return fs.ErrNotExist // an empty file is replaced, whatever its key was
	case err != nil && t.key != nil && len(c.records) > 0:
		return fmt.Errorf("%w: its proof of the key is damaged", errCorrupt)
	}
	return err
}

// checkKey returns errKey if a proof was sealed with another key.
func checkKey(proof []byte, key cipher.AEAD) error {
	if key == nil {
		return KeyError{"key_file", fmt.Errorf("is empty: %w", errKey)}
	}
	if _, err := unseal(proof, 0, 0, key); err != nil {
		return KeyError{"key_file", errKey}
	}
	return nil
}

// openChecked opens a sound file. It rewrites a file that is mostly gaps, or that is not sealed although there is a
// key.
func (d *diskStore) openChecked(c contents) error {
	d.tally = c.tally
	if err := d.openAny(); err != nil || d.readOnly != nil {
		return err
	}
	size := d.opened.Size()
	unsealed := d.key != nil && !c.sealed
	if !unsealed && (size < 1<<20 || size < 4*c.usage) {
		return nil
	}
	if err := d.rewrite(d.key); err != nil && unsealed {
		_ = guard(d.db.Close)
		return fmt.Errorf("seal the outbox: %w", err)
	}
	return nil
}
