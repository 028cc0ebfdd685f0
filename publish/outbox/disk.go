package outbox

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const fileName = "outbox.db"

// diskStore is a bbolt file.
type diskStore struct {
	path   string
	max    int64 // bytes of the file, above which it is written anew without its gaps
	cipher cipher.AEAD
	lock   *os.File
	log    zerolog.Logger

	mu sync.RWMutex // to replace db
	db *bbolt.DB
}

// names of buckets and of keys in the first
const (
	aboutBucket  = "facesieve outbox"
	eventsBucket = "events"
	formatKey    = "format"
	clockKey     = "clock" // the box's own clock, and the wall clock at the same time
	proofKey     = "proof" // sealed, so that a wrong key is found before anything is read with it
	format       = "1"
)

// commit is one transaction, with the fsyncs of bbolt.
func (d *diskStore) commit(b batch) error {
	d.mu.RLock()
	err := guard(func() error {
		return d.db.Update(func(tx *bbolt.Tx) error { return d.write(tx, b) })
	})
	d.mu.RUnlock()
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) { // it could not be opened again after it was written anew
		d.mu.Lock()
		err = errors.Join(err, d.reopen())
		d.mu.Unlock()
	}
	if err != nil {
		return fmt.Errorf("write outbox: %w", err)
	}
	if info, err := os.Stat(d.path); err == nil && info.Size() > d.max {
		d.mu.Lock()
		defer d.mu.Unlock()
		if err := d.rewrite(); err != nil {
			d.max = info.Size() + d.max/4 // do not try with every commit
			d.log.Warn().Err(err).Msg("cannot write the outbox anew without its gaps")
		}
	}
	return nil
}

func (d *diskStore) write(tx *bbolt.Tx, b batch) error {
	events := tx.Bucket([]byte(eventsBucket))
	for _, key := range b.remove {
		if err := events.Delete(name(key)); err != nil {
			return err
		}
	}
	for _, r := range b.put {
		if err := events.Put(name(r.key), encode(r, d.cipher)); err != nil {
			return err
		}
	}
	return tx.Bucket([]byte(aboutBucket)).Put([]byte(clockKey), clockValue(b.clock, time.Now()))
}

func (d *diskStore) read(key uint64) (data []byte, err error) {
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

// charge counts in pages: a value of bbolt begins in one with another and goes on in pages of its own.
func (*diskStore) charge(size int) int64 {
	page := os.Getpagesize()
	return int64((size + entryOverhead + page - 1) / page * page)
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

// renew sets the torn file aside and begins another. The old one is not closed: its locks may be held for ever.
func (d *diskStore) renew() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.db = nil // if what follows fails, the next commit finds it torn again
	if err := d.setAside(errTorn); err != nil {
		return err
	}
	db, err := d.create(d.path, 0)
	if err != nil {
		return err
	}
	d.db = db
	return nil
}

// allocation is by how much the file grows at a time: little beside its bound.
func (d *diskStore) allocation() int { return int(d.max / 32) }

func name(key uint64) []byte { return binary.BigEndian.AppendUint64(nil, key) }

func clockValue(at time.Duration, wall time.Time) []byte {
	text := binary.BigEndian.AppendUint64(nil, uint64(at))          //nolint:gosec // never negative
	return binary.BigEndian.AppendUint64(text, uint64(wall.Unix())) //nolint:gosec // and back
}

func folder(path string) string { return filepath.Dir(path) }
