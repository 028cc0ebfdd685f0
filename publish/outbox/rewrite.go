package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

// rewriteBatch is how much is copied in one transaction, in bytes.
const rewriteBatch = 1 << 20

// rewrite copies all good entries into a new file, which then takes the place of the old one: it has no gaps, and every
// entry is sealed if there is a key. bbolt never makes a file smaller by itself.
func (d *diskStore) rewrite() error {
	path := d.path + ".new"
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	err := guard(func() error {
		to, err := d.create(path, 0)
		if err != nil {
			return err
		}
		to.NoSync = true // once, at the end
		err = d.copyTo(to)
		if err == nil {
			err = to.Sync()
		}
		return errors.Join(err, to.Close())
	})
	if err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("copy outbox: %w", err)
	}
	if err := errors.Join(guard(d.db.Close), os.Rename(path, d.path), syncDir(folder(d.path))); err != nil {
		return errors.Join(err, d.reopen())
	}
	return d.reopen()
}

func (d *diskStore) copyTo(to *bbolt.DB) error {
	return d.db.View(func(from *bbolt.Tx) error {
		clock := from.Bucket([]byte(aboutBucket)).Get([]byte(clockKey))
		err := to.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(aboutBucket)).Put([]byte(clockKey), clock) })
		if err != nil {
			return err
		}
		cursor := from.Bucket([]byte(eventsBucket)).Cursor()
		key, value := cursor.First()
		for key != nil {
			err := to.Update(func(tx *bbolt.Tx) error {
				for n := 0; key != nil && n < rewriteBatch; key, value = cursor.Next() {
					n += len(value)
					if err := d.copyEntry(tx.Bucket([]byte(eventsBucket)), key, value); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// copyEntry leaves a damaged one behind.
func (d *diskStore) copyEntry(to *bbolt.Bucket, key, value []byte) error {
	r, err := decode(binary.BigEndian.Uint64(key), value, d.cipher)
	if err != nil {
		return nil //nolint:nilerr // it is counted when somebody asks for it
	}
	return to.Put(key, encode(r, d.cipher))
}
