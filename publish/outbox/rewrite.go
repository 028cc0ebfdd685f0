package outbox

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/bbolt"
)

// rewriteBatch is how much is copied in one transaction, in bytes.
const rewriteBatch = 1 << 20

// rewrite copies all good entries into a new file, which then takes the place of the old one: it has no gaps, and every
// entry is sealed if there is a key. bbolt never makes a file smaller by itself.
func (d *diskStore) rewrite(key cipher.AEAD) error {
	path := d.path + replacement
	after, err := d.build(path, key, func(w *fileWriter) error { return d.copyTo(w) })
	if err != nil {
		return fmt.Errorf("copy outbox: %w", err)
	}
	if err := errors.Join(guard(d.db.Close), os.Rename(path, d.path), syncDir(folder(d.path))); err != nil {
		return errors.Join(err, d.reopen())
	}
	d.tally, d.cipher = after, key
	return d.reopen()
}

// build makes a file at a path with what fill writes. The file is complete and synced when build returns.
func (d *diskStore) build(path string, key cipher.AEAD, fill func(*fileWriter) error) (after tally, err error) {
	if err := ignoreMissing(os.Remove(path)); err != nil {
		return after, err
	}
	err = guard(func() error {
		to, err := d.createAt(path, 0, key)
		if err != nil {
			return err
		}
		to.NoSync = true // once, at the end
		w := &fileWriter{db: to, cipher: key}
		if err = errors.Join(fill(w), w.flush()); err == nil {
			err = to.Sync()
		}
		after = w.tally
		return errors.Join(err, to.Close())
	})
	if err != nil {
		_ = os.Remove(path)
	}
	return after, err
}

// fileWriter writes records into a new file, in batches.
type fileWriter struct {
	db      *bbolt.DB
	cipher  cipher.AEAD
	clock   []byte // the value to store
	tally   tally
	waiting []record
	bytes   int
}

func (w *fileWriter) put(r record) error {
	w.waiting = append(w.waiting, r)
	if w.bytes += len(r.data); w.bytes < rewriteBatch {
		return nil
	}
	return w.flush()
}

func (w *fileWriter) flush() error {
	err := w.db.Update(func(tx *bbolt.Tx) error {
		events, about := tx.Bucket([]byte(eventsBucket)), tx.Bucket([]byte(aboutBucket))
		for _, r := range w.waiting {
			if err := events.Put(name(r.key), encode(r, w.cipher)); err != nil {
				return err
			}
			w.tally = tally{count: w.tally.count + 1, last: max(w.tally.last, r.key)}
		}
		if len(w.clock) == 16 {
			if err := about.Put([]byte(clockKey), w.clock); err != nil {
				return err
			}
		}
		return about.Put([]byte(countKey), w.tally.value(txNumber(tx)))
	})
	w.waiting, w.bytes = nil, 0
	return err
}

// copyTo copies the entries of the file except damaged ones, which are counted when they are read.
func (d *diskStore) copyTo(w *fileWriter) error {
	return d.db.View(func(from *bbolt.Tx) error {
		w.clock = bytes.Clone(from.Bucket([]byte(aboutBucket)).Get([]byte(clockKey)))
		w.tally.last = d.tally.last
		return from.Bucket([]byte(eventsBucket)).ForEach(func(key, value []byte) error {
			r, err := decode(binary.BigEndian.Uint64(key), value, d.cipher)
			if err != nil {
				return nil //nolint:nilerr // see above
			}
			return w.put(r)
		})
	})
}

// reseal rewrites the file with another key, or without one.
func (d *diskStore) reseal(key cipher.AEAD, clock time.Duration) error {
	if err := d.commit(batch{clock: clock}); err != nil { // the file can be written, and its clock is up to date
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rewrite(key)
}
