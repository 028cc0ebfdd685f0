package outbox

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const fileName = "outbox.db"

// diskStore is a bbolt file.
type diskStore struct {
	cfg    Config
	path   string
	max    int64 // bytes of the file, above which it is written anew without its gaps
	cipher cipher.AEAD
	lock   *os.File
	log    zerolog.Logger
	tally  tally // used by the committing goroutine only

	mu       sync.RWMutex // to replace db
	db       *bbolt.DB
	file     os.FileInfo // of db
	readOnly error       // why the file can only be read; nil: it can be written
	detached atomic.Bool // the file has lost its name: its data ends with the process
}

var errDisplaced = errors.New("its file was removed or replaced while it was used")

// names of buckets and of keys in the first
const (
	aboutBucket  = "facesieve outbox"
	eventsBucket = "events"
	formatKey    = "format"
	clockKey     = "clock" // the box's own clock, and the wall clock at the same time
	proofKey     = "proof" // sealed, so that a wrong key is found before anything is read with it
	countKey     = "count" // a tally, by which missing entries are found
	format       = "1"
)

// tally is stored with every commit: the number of entries, and the highest key ever used.
type tally struct{ count, last uint64 }

const tallySize = 24

// value encodes a tally with the number of the transaction. A later commit of a program that stores no tally makes it
// outdated.
func (t tally) value(tx uint64) []byte {
	text := binary.BigEndian.AppendUint64(nil, tx)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(text, t.count), t.last)
}

// parseTally also returns the number of the transaction.
func parseTally(value []byte) (t tally, tx uint64, ok bool) {
	if len(value) != tallySize {
		return t, 0, false
	}
	t = tally{count: binary.BigEndian.Uint64(value[8:]), last: binary.BigEndian.Uint64(value[16:])}
	return t, binary.BigEndian.Uint64(value), true
}

// commit is one transaction, with the fsyncs of bbolt.
func (d *diskStore) commit(b batch) error {
	if err := d.upgrade(); err != nil {
		return fmt.Errorf("write outbox: %w", err)
	}
	if d.displaced() {
		return fmt.Errorf("write outbox: %w", errDisplaced)
	}
	var after tally
	d.mu.RLock()
	err := guard(func() error {
		return d.db.Update(func(tx *bbolt.Tx) (err error) {
			after, err = d.write(tx, b)
			return err
		})
	})
	d.mu.RUnlock()
	if err != nil {
		return fmt.Errorf("write outbox: %w", errors.Join(err, d.revive(err)))
	}
	d.tally = after
	if info, err := os.Stat(d.path); err == nil && info.Size() > d.max && !d.detached.Load() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if err := d.rewrite(d.cipher); err != nil {
			d.max = info.Size() + d.max/4 // do not try with every commit
			d.log.Warn().Err(err).Msg("cannot write the outbox anew without its gaps")
		}
	}
	return nil
}

func (d *diskStore) write(tx *bbolt.Tx, b batch) (tally, error) {
	events, t := tx.Bucket([]byte(eventsBucket)), d.tally
	for _, key := range b.remove {
		if events.Get(name(key)) == nil {
			continue
		}
		if err := events.Delete(name(key)); err != nil {
			return t, err
		}
		t.count--
	}
	for _, r := range b.put {
		if events.Get(name(r.key)) == nil {
			t.count++
		}
		if err := events.Put(name(r.key), encode(r, d.cipher)); err != nil {
			return t, err
		}
		t.last = max(t.last, r.key)
	}
	about := tx.Bucket([]byte(aboutBucket))
	if err := about.Put([]byte(countKey), t.value(txNumber(tx))); err != nil {
		return t, err
	}
	return t, about.Put([]byte(clockKey), clockValue(b.clock, time.Now()))
}

func (d *diskStore) read(key uint64) (data []byte, err error) {
	data, err = d.view(key)
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) || errors.Is(err, bolterrors.ErrInvalidMapping) {
		if d.revive(err) == nil {
			return d.view(key)
		}
	}
	return data, err
}

// revive reopens the file after an error that left bbolt without one: the file could not be opened after it was
// rewritten, or could not be mapped after it could not grow.
func (d *diskStore) revive(err error) error {
	if !errors.Is(err, bolterrors.ErrDatabaseNotOpen) && !errors.Is(err, bolterrors.ErrInvalidMapping) {
		return nil
	}
	if d.detached.Load() || d.displaced() { // another file has its name
		return errDisplaced
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = guard(d.db.Close)
	return d.openAny()
}

func (d *diskStore) view(key uint64) (data []byte, err error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	err = guard(func() error {
		return d.db.View(func(tx *bbolt.Tx) error {
			r, err := decode(key, tx.Bucket([]byte(eventsBucket)).Get(name(key)), d.cipher)
			data = r.data
			return err
		})
	})
	return data, err
}

func (*diskStore) charge(size int) int64 { return diskUsage(size) }

func (d *diskStore) durable() bool { return !d.detached.Load() }

// displaced reports whether the open file has lost its name, to another file or to none: data that is written to it
// would end with the process.
func (d *diskStore) displaced() bool {
	d.mu.RLock()
	open := d.file
	d.mu.RUnlock()
	if d.detached.Load() || open == nil {
		return false
	}
	info, err := os.Stat(d.path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, open)
}

func (d *diskStore) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := guard(d.db.Close)
	_ = d.lock.Close()
	if err != nil {
		return fmt.Errorf("close outbox: %w", err)
	}
	return nil
}

// upgrade reopens a read-only file for writing, if that is possible now.
func (d *diskStore) upgrade() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.readOnly == nil || d.detached.Load() {
		return d.readOnly
	}
	file, err := os.OpenFile(d.path, os.O_RDWR, 0) //nolint:gosec // the outbox
	if err != nil {
		return err
	}
	_ = file.Close()
	if err := errors.Join(secureDir(d.cfg, d.log), securePath(d.path, d.log), d.takeLock()); err != nil {
		return err
	}
	if err := errors.Join(guard(d.db.Close), d.reopen()); err != nil {
		return errors.Join(err, d.reopenReadOnly())
	}
	d.readOnly = nil
	return nil
}

// takeLock replaces the lock on the directory by one on the lock file, which can be created now.
func (d *diskStore) takeLock() error {
	info, err := d.lock.Stat()
	if err != nil || !info.IsDir() {
		return err
	}
	lock, err := lockDir(d.cfg, nil, d.log)
	if err != nil {
		return err
	}
	_ = d.lock.Close()
	d.lock = lock
	return nil
}

// allocation is by how much the file grows at a time: little beside its bound.
func (d *diskStore) allocation() int { return int(d.max / 32) }

func name(key uint64) []byte { return binary.BigEndian.AppendUint64(nil, key) }

func txNumber(tx *bbolt.Tx) uint64 { return uint64(tx.ID()) } //nolint:gosec // not negative in a transaction

func clockValue(at time.Duration, wall time.Time) []byte {
	text := binary.BigEndian.AppendUint64(nil, uint64(at))          //nolint:gosec // never negative
	return binary.BigEndian.AppendUint64(text, uint64(wall.Unix())) //nolint:gosec // and back
}

// parseClock returns the present value of a stored clock.
func parseClock(value []byte) (time.Duration, bool) {
	if len(value) != 16 {
		return 0, false
	}
	last, then := binary.BigEndian.Uint64(value), binary.BigEndian.Uint64(value[8:])
	if last > maxClock {
		return 0, false
	}
	return resume(time.Duration(last), time.Unix(int64(then), 0), time.Now()), true //nolint:gosec // as it was written
}

func folder(path string) string { return filepath.Dir(path) }
