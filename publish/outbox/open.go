package outbox

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// content is what an existing file holds.
type content struct {
	records []found
	damaged []uint64 // keys of entries that cannot be read
	lost    uint64   // entries that were in a corrupt file and could not be salvaged, as far as that is known
	tally   tally
	clock   time.Duration
	sealed  bool  // by a key
	used    int64 // bytes of all entries
}

// found is a record without its data.
type found struct {
	key    uint64
	camera string
	score  float64
	born   time.Duration
	size   int
}

// errKey is in the error of a file that was sealed with another key.
var errKey = errors.New("sealed with a key that is not this one: give that key, or move the file away")

var errOtherKey = errors.New("sealed with another key")

// openDisk locks the directory, reads the file, and opens it for writing, or only for reading if the disk is read-only.
// A file that does not exist is created.
func openDisk(cfg Config, log zerolog.Logger) (*diskStore, content, error) {
	return openDiskHolding(cfg, nil, log)
}

// openDiskHolding is openDisk for a process that may hold the lock already.
func openDiskHolding(cfg Config, held []*os.File, log zerolog.Logger) (*diskStore, content, error) {
	key, err := readKey(cfg.KeyFile)
	if err != nil {
		return nil, content{}, err
	}
	d, c, err := openExisting(cfg, key, held, log)
	if !errors.Is(err, fs.ErrNotExist) || d == nil {
		return d, c, err
	}
	c.clock = firstClock
	if d.db, err = d.create(c.clock); err != nil {
		_ = d.lock.Close()
		return nil, c, unwritable(cfg.Dir, err)
	}
	return d, c, nil
}

// openExisting returns fs.ErrNotExist and a store that holds the lock if there is no file.
func openExisting(
	cfg Config, key cipher.AEAD, held []*os.File, log zerolog.Logger,
) (d *diskStore, c content, err error) {
	lock, err := lockDir(cfg, held, log)
	if err != nil {
		return nil, c, err
	}
	d = &diskStore{
		cfg: cfg, path: filepath.Join(cfg.Dir, fileName), max: int64(cfg.MaxMiB) << 20, cipher: key, lock: lock,
		log: log,
	}
	defer func() {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			_ = lock.Close()
			d = nil
		}
	}()
	if err = d.prepare(); err != nil {
		return d, c, err
	}
	if c, err = d.inspect(d.path); err == nil {
		err = d.resume(c)
	}
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
	case keeps(err):
		err = fmt.Errorf("%s: %w", d.path, err)
	default:
		if c, err = d.recover(err); err != nil && !errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("salvage %s: %w", d.path, err)
		}
	}
	return d, c, err
}

// prepare checks the permissions of the files, and completes a replacement that a kill has interrupted: a file with the
// name of a replacement is complete.
func (d *diskStore) prepare() error {
	if err := securePath(d.path, d.log); err != nil {
		return err
	}
	secureAside(d.path, d.log)
	_ = os.Remove(d.path + unfinished)
	_, gone := os.Lstat(d.path)
	if _, complete := os.Lstat(d.path + replacement); complete == nil && errors.Is(gone, fs.ErrNotExist) {
		return os.Rename(d.path+replacement, d.path)
	}
	return nil
}

// keeps says whether the file stays where it is after an error: it is not the file's fault.
func keeps(err error) bool {
	var system syscall.Errno
	return errors.Is(err, errKey) || errors.Is(err, bolterrors.ErrTimeout) || // somebody else has it open
		errors.As(err, &system) && system != syscall.EIO
}

// options make bbolt keep its list of free pages in the file: without, it looks for them on another goroutine, whose
// panic nobody could catch.
func options(readOnly bool) *bbolt.Options {
	return &bbolt.Options{Timeout: time.Second, ReadOnly: readOnly, FreelistType: bbolt.FreelistMapType}
}

// inspect reads all of an existing file without writing to it.
func (d *diskStore) inspect(path string) (c content, err error) {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return c, err
	case info.Mode().IsRegular() && info.Size() == 0: // the power failed before the first write
		return c, fs.ErrNotExist
	case !info.Mode().IsRegular():
		return c, errTorn
	}
	if err := checkPages(path); err != nil {
		return c, err
	}
	err = guard(func() error {
		db, err := bbolt.Open(path, 0o600, options(true))
		if err != nil {
			return err
		}
		err = db.View(func(tx *bbolt.Tx) error {
			if tx.Size() > info.Size() {
				return fmt.Errorf("%w: it has %d bytes, not %d", errTorn, info.Size(), tx.Size())
			}
			c, err = d.content(tx)
			return err
		})
		return errors.Join(err, db.Close())
	})
	return c, err
}

// content reads everything.
func (d *diskStore) content(tx *bbolt.Tx) (c content, err error) {
	about, events := tx.Bucket([]byte(aboutBucket)), tx.Bucket([]byte(eventsBucket))
	if about == nil || events == nil || string(about.Get([]byte(formatKey))) != format {
		return c, fmt.Errorf("%w: it is another program's, or of another version", errTorn)
	}
	if proof := about.Get([]byte(proofKey)); proof != nil {
		c.sealed = true
		if err := d.prove(proof); err != nil {
			return c, d.doubt(err, events)
		}
	}
	c.clock, _ = parseClock(about.Get([]byte(clockKey)))
	noted, at, ok := parseTally(about.Get([]byte(countKey)))
	if err := events.ForEach(func(k, value []byte) error { return d.collect(&c, k, value) }); err != nil {
		return c, err
	}
	if ok && at == txNumber(tx) {
		if c.tally.count != noted.count {
			return c, fmt.Errorf("%w: it has %d of %d events", errTorn, c.tally.count, noted.count)
		}
		c.tally.last = max(c.tally.last, noted.last)
	}
	return c, nil
}

// collect adds an entry to the content of a file.
func (d *diskStore) collect(c *content, k, value []byte) error {
	if len(k) != 8 || value == nil {
		return errTorn
	}
	key := binary.BigEndian.Uint64(k)
	if key <= c.tally.last && c.tally.count > 0 {
		return fmt.Errorf("%w: its entries are not in order", errTorn)
	}
	c.tally = tally{count: c.tally.count + 1, last: key}
	c.used += diskUsage(len(value))
	r, err := decode(key, value, d.cipher)
	if err != nil {
		d.log.Warn().Err(err).Uint64("entry", key).Msg("an event in the outbox cannot be read and is dropped")
		c.damaged = append(c.damaged, key)
		return nil
	}
	c.clock = max(c.clock, r.born)
	c.records = append(c.records, found{key: key, camera: r.camera, score: r.score, born: r.born, size: len(r.data)})
	return nil
}

// prove finds out whether the key is the one that the file was sealed with.
func (d *diskStore) prove(proof []byte) error {
	if d.cipher == nil {
		return fmt.Errorf("key_file: is empty: %w", errKey)
	}
	if _, err := unseal(proof, 0, 0, d.cipher); err != nil {
		return fmt.Errorf("key_file: %w", errKey)
	}
	return nil
}

// doubt returns errTorn instead of err if the proof is damaged and the key is right, or if nothing is sealed.
func (d *diskStore) doubt(err error, events *bbolt.Bucket) error {
	key, value := events.Cursor().First()
	if key == nil {
		return fmt.Errorf("%w: it holds no event, and was %w", errTorn, errOtherKey)
	}
	if d.cipher == nil || len(key) != 8 {
		return err
	}
	if _, wrong := decode(binary.BigEndian.Uint64(key), value, d.cipher); wrong == nil {
		return fmt.Errorf("%w: its proof of the key is damaged", errTorn)
	}
	return err
}

// resume opens an existing sound file for writing, and writes it anew if it is mostly gaps, or not sealed as it should.
func (d *diskStore) resume(c content) error {
	d.tally = c.tally
	if err := d.openAny(); err != nil || d.readOnly != nil {
		return err
	}
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	if unsealed := d.cipher != nil && !c.sealed; !unsealed && (info.Size() < 1<<20 || info.Size() < 4*c.used) {
		return nil
	} else if err := d.rewrite(d.cipher); err != nil && unsealed {
		_ = guard(d.db.Close)
		return fmt.Errorf("seal the outbox: %w", err)
	}
	return nil
}

// openAny opens the file for writing, or only for reading if the disk is read-only.
func (d *diskStore) openAny() error {
	err := d.reopen()
	if errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) {
		d.readOnly = err
		return d.reopenReadOnly()
	}
	return err
}

func (d *diskStore) reopen() error { return d.openFile(false) }

func (d *diskStore) reopenReadOnly() error { return d.openFile(true) }

func (d *diskStore) openFile(readOnly bool) error {
	return guard(func() error {
		db, err := bbolt.Open(d.path, 0o600, options(readOnly))
		if err != nil {
			return err
		}
		db.AllocSize = d.allocation()
		d.db = db
		d.file, err = os.Stat(d.path)
		return err
	})
}
