package outbox

import (
	"errors"
	"os"
	"time"
)

// store keeps records. One goroutine commits, and any may read. Stores are compared, so each is a pointer or an empty
// struct.
type store interface {
	// commit adds and removes records, all of them or none. A power cut after its return does not undo it.
	commit(b batch) error
	// read returns the data that was committed under a key; errDamaged if it is damaged, errCorrupt if the file is.
	read(key uint64) ([]byte, error)
	// diskUsage returns how many bytes a record with so many bytes of data takes.
	diskUsage(size int) int64
	// durable reports whether records outlive the process.
	durable() bool
	close() error
}

// batch is what one commit does.
type batch struct {
	put    []record
	remove []uint64      // keys; those that are not there are ignored
	clock  time.Duration // of the store, now
}

// recordOverhead is about what a record costs besides its data, in bytes.
const recordOverhead = 256

// memoryStore is a store without a file: the entries hold the data, see entry.data.
type memoryStore struct{}

func (memoryStore) commit(batch) error          { return nil }
func (memoryStore) read(uint64) ([]byte, error) { return nil, errDamaged }
func (memoryStore) diskUsage(size int) int64    { return int64(size) + recordOverhead }
func (memoryStore) durable() bool               { return false }
func (memoryStore) close() error                { return nil }

// noStore is the store while the file cannot be opened: every commit fails.
type noStore struct{ memoryStore }

var errNotOpen = errors.New("the outbox is not open")

func (*noStore) commit(batch) error       { return errNotOpen }
func (*noStore) diskUsage(size int) int64 { return wholePages(size) }

// wholePages returns the usage of a file. In bbolt a value begins in a page that it shares, and continues in pages of
// its own.
func wholePages(size int) int64 {
	page := os.Getpagesize()
	return int64((size + recordOverhead + page - 1) / page * page)
}
