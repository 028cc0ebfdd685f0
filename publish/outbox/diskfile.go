package outbox

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
)

// Names of the files of an outbox. A new file is written with the suffix unfinished, and is never used under that name.
// When it is complete and synced, it is renamed to the suffix complete and then to fileName. If a kill leaves no file
// with fileName, the next start uses the complete one. A corrupt file is renamed to asideInfix and the time.
const (
	fileName   = "outbox.db"
	unfinished = ".tmp"
	complete   = ".new"
	asideInfix = ".corrupt-"
)

// Names in the file.
const (
	metadataBucket = "facesieve outbox"
	eventsBucket   = "events"
	formatKey      = "format"
	format         = "1"

	metadataKeyLen = 5       // bytes of the keys below
	clockKey       = "clock" // the clock of the outbox, and the wall clock at the same time
	proofKey       = "proof" // a sealed text, by which a wrong key is found before anything is read with it
	tallyKey       = "count" // a tally, by which missing records are found
)

var (
	// errCorrupt means that a file is not a sound outbox.
	errCorrupt = errors.New("the file is corrupt or is no outbox")
	// errKey means that a file was sealed with another key.
	errKey = errors.New("sealed with a key that is not this one: give that key, or move the file away")
)

// guard calls f and returns a panic as errCorrupt, also a fault on memory that is mapped to a file: bbolt panics on a
// file that is damaged or too short. f must stay on this goroutine. For that reason neither bbolt's Batch nor its Check
// is used.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errCorrupt, r)
		}
	}()
	return f()
}

// options make bbolt store its list of free pages in the file. Without, it searches for them on another goroutine,
// where guard cannot catch a panic.
func options(readOnly bool) *bbolt.Options {
	return &bbolt.Options{Timeout: time.Second, ReadOnly: readOnly, FreelistType: bbolt.FreelistMapType}
}

// tally is stored with every commit: the number of records, and the highest key ever used.
type tally struct{ count, last uint64 }

// value encodes a tally with the number of its transaction: it is not valid for another.
func (t tally) value(tx uint64) []byte {
	text := binary.BigEndian.AppendUint64(nil, tx)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(text, t.count), t.last)
}

// parseTally also returns the number of the transaction.
func parseTally(value []byte) (t tally, tx uint64, ok bool) {
	if len(value) != 24 {
		return t, 0, false
	}
	t = tally{count: binary.BigEndian.Uint64(value[8:]), last: binary.BigEndian.Uint64(value[16:])}
	return t, binary.BigEndian.Uint64(value), true
}

func clockValue(at time.Duration, wall time.Time) []byte {
	text := binary.BigEndian.AppendUint64(nil, uint64(at))          //nolint:gosec // never negative
	return binary.BigEndian.AppendUint64(text, uint64(wall.Unix())) //nolint:gosec // and back
}

// parseClock returns the present time of a stored clock.
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

func keyName(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }

// initialize creates the buckets of a new file.
func initialize(tx *bbolt.Tx, key cipher.AEAD) error {
	metadata, err1 := tx.CreateBucket([]byte(metadataBucket))
	_, err2 := tx.CreateBucket([]byte(eventsBucket))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if key != nil {
		if err := metadata.Put([]byte(proofKey), seal(nil, 0, []byte(format), key)); err != nil {
			return err
		}
	}
	return metadata.Put([]byte(formatKey), []byte(format))
}

// apply carries out a batch in a transaction, and returns the tally after it.
func apply(tx *bbolt.Tx, t tally, b batch, key cipher.AEAD) (tally, error) {
	events, metadata := tx.Bucket([]byte(eventsBucket)), tx.Bucket([]byte(metadataBucket))
	for _, number := range b.remove {
		if events.Get(keyName(number)) == nil {
			continue
		}
		if err := events.Delete(keyName(number)); err != nil {
			return t, err
		}
		t.count--
	}
	for _, r := range b.put {
		if events.Get(keyName(r.key)) == nil {
			t.count++
		}
		if err := events.Put(keyName(r.key), encode(r, key)); err != nil {
			return t, err
		}
		t.last = max(t.last, r.key)
	}
	txNumber := uint64(tx.ID()) //nolint:gosec // not negative in a transaction
	return t, errors.Join(metadata.Put([]byte(tallyKey), t.value(txNumber)),
		metadata.Put([]byte(clockKey), clockValue(b.clock, time.Now())))
}

// build writes a new file with these records beside the present one, and returns its tally. It is complete and synced
// then, and install puts it in place. last is the highest key that was used.
func (d *diskStore) build(
	key cipher.AEAD, clock time.Duration, last uint64, records iter.Seq2[record, error],
) (after tally, err error) {
	path := d.path + unfinished
	if err := ignoreMissing(os.Remove(path)); err != nil {
		return after, err
	}
	after.last = last
	err = guard(func() error {
		db, err := bbolt.Open(path, 0o600, options(false))
		if err != nil {
			return err
		}
		db.AllocSize, db.NoSync = d.allocation(), true // it is synced once, at the end
		err = db.Update(func(tx *bbolt.Tx) error { return initialize(tx, key) })
		if err == nil {
			after, err = fill(db, key, clock, after, records)
		}
		if err == nil {
			err = db.Sync()
		}
		return errors.Join(err, db.Close())
	})
	if err == nil {
		err = os.Rename(path, d.path+complete)
	}
	if err != nil {
		_ = os.Remove(path)
	}
	return after, err
}

// fillBytes is how much is written in one transaction, so that memory does not hold all records.
const fillBytes = 1 << 20

// fill writes records into a new file.
func fill(
	db *bbolt.DB, key cipher.AEAD, clock time.Duration, t tally, records iter.Seq2[record, error],
) (tally, error) {
	waiting, size := []record(nil), 0
	flush := func() error {
		return db.Update(func(tx *bbolt.Tx) (err error) {
			t, err = apply(tx, t, batch{put: waiting, clock: clock}, key)
			waiting, size = nil, 0
			return err
		})
	}
	for r, err := range records {
		if err != nil {
			return t, err
		}
		waiting = append(waiting, r)
		if size += r.size; size < fillBytes {
			continue
		}
		if err := flush(); err != nil {
			return t, err
		}
	}
	return t, flush()
}

// install puts the complete new file in the place of the present one.
func (d *diskStore) install() error {
	return errors.Join(os.Rename(d.path+complete, d.path), syncDir(d.cfg.Dir))
}

// rewrite replaces the file by a copy without gaps, sealed if there is a key. bbolt never makes a file smaller. Damaged
// records are left out; they are counted when they are read. The caller holds d.mu.
func (d *diskStore) rewrite(key cipher.AEAD) error {
	var after tally
	err := guard(func() error {
		return d.db.View(func(tx *bbolt.Tx) (err error) {
			clock, _ := parseClock(tx.Bucket([]byte(metadataBucket)).Get([]byte(clockKey)))
			after, err = d.build(key, clock, d.tally.last, d.readable(tx))
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("copy outbox: %w", err)
	}
	if err := errors.Join(guard(d.db.Close), d.install()); err != nil {
		return errors.Join(err, d.open(false))
	}
	d.tally, d.key = after, key
	return d.open(false)
}

// readable returns the records that can be read.
func (d *diskStore) readable(tx *bbolt.Tx) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		events := tx.Bucket([]byte(eventsBucket)).Cursor()
		for k, value := events.First(); k != nil; k, value = events.Next() {
			r, err := decode(binary.BigEndian.Uint64(k), value, d.key)
			if err == nil && !yield(r, nil) {
				return
			}
		}
	}
}

func syncDir(dir string) error {
	file, err := os.Open(dir) //nolint:gosec // a configured directory
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
