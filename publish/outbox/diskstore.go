package outbox

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// diskStore is a store in a bbolt file. It holds the lock of its directory until it is closed.
type diskStore struct {
	cfg     Config
	path    string
	maxSize int64 // bytes of the file, above which it is written again without its gaps
	key     cipher.AEAD
	lock    *os.File
	log     zerolog.Logger
	tally   tally // used by the committing goroutine only

	mu       sync.RWMutex // guards db, opened and readOnly: a commit or a read holds it for reading
	db       *bbolt.DB
	opened   os.FileInfo // of the file of db
	readOnly error       // why the file can only be read; nil: it can be written
	detached atomic.Bool // the file has lost its name: its data ends with the process
}

var errDisplaced = errors.New("its file was removed or replaced while it was used")

// commit is one transaction. bbolt syncs the file before it returns.
func (d *diskStore) commit(b batch) error {
	if err := d.makeWritable(); err != nil {
		return fmt.Errorf("write outbox: %w", err)
	}
	if d.displaced() {
		return fmt.Errorf("write outbox: %w", errDisplaced)
	}
	var after tally
	d.mu.RLock()
	err := guard(func() error {
		return d.db.Update(func(tx *bbolt.Tx) (err error) {
			after, err = apply(tx, d.tally, b, d.key)
			return err
		})
	})
	d.mu.RUnlock()
	if err != nil {
		_, reopenErr := d.reopenAfter(err)
		return fmt.Errorf("write outbox: %w", errors.Join(err, reopenErr))
	}
	d.tally = after
	if info, err := os.Stat(d.path); err == nil && info.Size() > d.maxSize && !d.detached.Load() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if err := d.rewrite(d.key); err != nil {
			d.maxSize = info.Size() + d.maxSize/4 // do not try with every commit
			d.log.Warn().Err(err).Msg("cannot write the outbox anew without its gaps")
		}
	}
	return nil
}

func (d *diskStore) read(number uint64) ([]byte, error) {
	data, err := d.view(number)
	if reopened, _ := d.reopenAfter(err); reopened {
		return d.view(number)
	}
	return data, err
}

func (d *diskStore) view(number uint64) (data []byte, err error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	err = guard(func() error {
		return d.db.View(func(tx *bbolt.Tx) error {
			r, err := decode(number, tx.Bucket([]byte(eventsBucket)).Get(keyName(number)), d.key)
			data = r.data
			return err
		})
	})
	return data, err
}

// reopenAfter reopens the file after an error that left bbolt without one: the file could not be opened after it was
// rewritten, or could not be mapped after it could not grow.
func (d *diskStore) reopenAfter(err error) (reopened bool, _ error) {
	if !errors.Is(err, bolterrors.ErrDatabaseNotOpen) && !errors.Is(err, bolterrors.ErrInvalidMapping) {
		return false, nil
	}
	if d.detached.Load() || d.displaced() { // another file has its name
		return false, errDisplaced
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = guard(d.db.Close)
	err = d.openAny()
	return err == nil, err
}

func (d *diskStore) durable() bool { return !d.detached.Load() }

// displaced reports whether the open file has lost its name, to another file or to none: data that is written to it
// would end with the process.
func (d *diskStore) displaced() bool {
	d.mu.RLock()
	opened := d.opened
	d.mu.RUnlock()
	if d.detached.Load() || opened == nil {
		return false
	}
	info, err := os.Stat(d.path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, opened)
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

// abandon leaves the corrupt file without closing it, because that may wait for its locks for ever. From now on it
// returns errCorrupt.
func (d *diskStore) abandon() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.db = nil
}

// reseal rewrites the file with another key, or without one if it is nil.
func (d *diskStore) reseal(key cipher.AEAD, clock time.Duration) error {
	if err := d.commit(batch{clock: clock}); err != nil { // the file can be written, and its clock is up to date
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rewrite(key)
}

// configure applies a configuration that names the same directory and key.
func (d *diskStore) configure(cfg Config) { d.cfg, d.maxSize = cfg, int64(cfg.MaxMiB)<<20 }

// open opens the file. The caller holds d.mu.
func (d *diskStore) open(readOnly bool) error {
	return guard(func() error {
		db, err := bbolt.Open(d.path, 0o600, options(readOnly))
		if err != nil {
			return err
		}
		db.AllocSize = d.allocation()
		d.db = db
		d.opened, err = os.Stat(d.path)
		return err
	})
}

// openAny opens the file for writing, or only for reading if the disk is read-only.
func (d *diskStore) openAny() error {
	d.readOnly = nil
	err := d.open(false)
	if errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) {
		d.readOnly = err
		return d.open(true)
	}
	return err
}

// makeWritable reopens a read-only file for writing, or returns why it cannot.
func (d *diskStore) makeWritable() error {
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
	if err := errors.Join(secureDir(d.cfg, d.log), secureFile(d.path, d.log), d.replaceDirLock()); err != nil {
		return err
	}
	if err := errors.Join(guard(d.db.Close), d.openAny()); err != nil {
		return err
	}
	return d.readOnly
}

// allocation is the number of bytes by which the file grows at a time: little beside its bound.
func (d *diskStore) allocation() int { return int(d.maxSize / 32) }
