package outbox

import (
	"crypto/cipher"
	"errors"
	"os"
	"time"

	"go.etcd.io/bbolt"
)

// Files beside outbox.db. A replacement is used when outbox.db does not exist; an unfinished file is never used.
const (
	replacement = ".new"
	unfinished  = ".tmp"
)

// create makes a new file atomically.
func (d *diskStore) create(clock time.Duration) (*bbolt.DB, error) {
	path := d.path + unfinished
	db, err := d.createAt(path, clock, d.cipher)
	if err == nil {
		err = guard(db.Close)
	}
	if err == nil {
		err = errors.Join(os.Rename(path, d.path), syncDir(folder(path)))
	}
	if err == nil {
		err = d.reopen()
	}
	if err != nil {
		_ = os.Remove(path)
		return nil, err
	}
	d.tally = tally{}
	return d.db, nil
}

// createAt makes an empty file at a path.
func (d *diskStore) createAt(path string, clock time.Duration, key cipher.AEAD) (db *bbolt.DB, err error) {
	err = guard(func() error {
		if db, err = bbolt.Open(path, 0o600, options(false)); err != nil {
			return err
		}
		db.AllocSize = d.allocation()
		err = db.Update(func(tx *bbolt.Tx) error {
			about, err1 := tx.CreateBucket([]byte(aboutBucket))
			_, err2 := tx.CreateBucket([]byte(eventsBucket))
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			if key != nil {
				if err := about.Put([]byte(proofKey), seal(nil, 0, []byte(format), key)); err != nil {
					return err
				}
			}
			return errors.Join(about.Put([]byte(formatKey), []byte(format)),
				about.Put([]byte(countKey), tally{}.value(txNumber(tx))),
				about.Put([]byte(clockKey), clockValue(clock, time.Now())))
		})
		if err != nil {
			return errors.Join(err, db.Close())
		}
		return nil
	})
	if err != nil {
		_ = os.Remove(path)
		return nil, err
	}
	return db, nil
}

func syncDir(dir string) error {
	file, err := os.Open(dir) //nolint:gosec // a configured directory
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
