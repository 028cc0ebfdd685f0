package outbox

import (
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
	lastKey uint64
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

// openDisk takes the folder, reads what is there, and leaves the file ready to be written.
func openDisk(cfg Config, log zerolog.Logger) (d *diskStore, c content, err error) {
	key, err := readKey(cfg.KeyFile)
	if err != nil {
		return nil, c, err
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, c, err
	}
	defer func() {
		if err != nil {
			_ = lock.Close()
		}
	}()
	d = &diskStore{path: filepath.Join(cfg.Dir, fileName), max: int64(cfg.MaxMiB) << 20, cipher: key, lock: lock, log: log}
	if c, err = d.inspect(); err == nil {
		err = d.resume(c)
	}
	switch {
	case err == nil:
		return d, c, nil
	case errors.Is(err, fs.ErrNotExist):
	case keeps(err):
		return nil, c, fmt.Errorf("%s: %w", d.path, err)
	default:
		if err = d.setAside(err); err != nil {
			return nil, c, err
		}
	}
	if d.db, err = d.create(d.path, 0); err != nil {
		return nil, c, unwritable(cfg.Dir, err)
	}
	return d, content{}, nil
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
func (d *diskStore) inspect() (c content, err error) {
	info, err := os.Lstat(d.path)
	switch {
	case err != nil:
		return c, err
	case info.Size() == 0: // the power went before the first word
		return c, fs.ErrNotExist
	case !info.Mode().IsRegular():
		return c, errTorn
	}
	err = guard(func() error {
		db, err := bbolt.Open(d.path, 0o600, options(true))
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
			return c, err
		}
	}
	if value := about.Get([]byte(clockKey)); len(value) == 16 {
		last, then := binary.BigEndian.Uint64(value), binary.BigEndian.Uint64(value[8:])
		c.clock = resume(time.Duration(last), time.Unix(int64(then), 0), time.Now()) //nolint:gosec // as it was written
	}
	return c, events.ForEach(func(k, value []byte) error {
		if len(k) != 8 || value == nil {
			return errTorn
		}
		key := binary.BigEndian.Uint64(k)
		c.lastKey, c.used = key, c.used+d.charge(len(value))
		r, err := decode(key, value, d.cipher)
		if err != nil {
			d.log.Warn().Err(err).Uint64("entry", key).Msg("an event in the outbox cannot be read and is dropped")
			c.damaged = append(c.damaged, key)
			return nil
		}
		c.records = append(c.records, found{key: key, camera: r.camera, score: r.score, born: r.born, size: len(r.data)})
		return nil
	})
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

// resume opens an existing sound file for writing, and writes it anew if it is mostly gaps, or not sealed as it should.
func (d *diskStore) resume(c content) error {
	if err := d.reopen(); err != nil {
		return err
	}
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	if unsealed := d.cipher != nil && !c.sealed; !unsealed && (info.Size() < 1<<20 || info.Size() < 4*c.used) {
		return nil
	} else if err := d.rewrite(); err != nil && unsealed {
		_ = guard(d.db.Close)
		return fmt.Errorf("seal the outbox: %w", err)
	}
	return nil
}

func (d *diskStore) reopen() error {
	return guard(func() error {
		db, err := bbolt.Open(d.path, 0o600, options(false))
		if err != nil {
			return err
		}
		db.AllocSize = d.allocation()
		d.db = db
		return nil
	})
}

// create makes a new file.
func (d *diskStore) create(path string, clock time.Duration) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, options(false))
	if err != nil {
		return nil, err
	}
	db.AllocSize = d.allocation()
	err = db.Update(func(tx *bbolt.Tx) error {
		about, err1 := tx.CreateBucket([]byte(aboutBucket))
		_, err2 := tx.CreateBucket([]byte(eventsBucket))
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if d.cipher != nil {
			if err := about.Put([]byte(proofKey), seal(nil, 0, []byte(format), d.cipher)); err != nil {
				return err
			}
		}
		return errors.Join(about.Put([]byte(formatKey), []byte(format)), about.Put([]byte(clockKey), clockValue(clock, time.Now())))
	})
	if err == nil {
		err = syncDir(folder(path))
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// setAside renames the file, so that somebody may look at it. Only the last one is kept: it holds faces, and takes room.
func (d *diskStore) setAside(why error) error {
	name := d.path + ".corrupt-" + time.Now().UTC().Format("20060102T150405.000000000Z")
	if err := os.Rename(d.path, name); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("set a torn file aside: %w", err)
	}
	names, _ := filepath.Glob(d.path + ".corrupt-*") //nolint:errcheck // the pattern is sound
	for _, old := range names {
		if old != name {
			_ = os.Remove(old)
		}
	}
	d.log.Error().Err(why).Str("file", name).Msg("outbox was torn or is not one: it was set aside, and a new one begun")
	return nil
}

func syncDir(dir string) error {
	file, err := os.Open(dir) //nolint:gosec // the user's folder
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
