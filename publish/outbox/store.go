package outbox

import (
	"errors"
	"time"
)

// store keeps records. One goroutine commits, and any may read. Stores are compared, so each is a pointer or an empty
// struct.
type store interface {
	// commit adds and removes records, all of them or none. A power cut after its return does not undo it.
	commit(b batch) error
	// read returns the data that was committed under a key; errDamaged if it is damaged, errCorrupt if the file is.
	read(key uint64) ([]byte, error)
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

// memoryStore is a store without a file: the entries hold the data, see entry.data.
type memoryStore struct{}

func (memoryStore) commit(batch) error          { return nil }
func (memoryStore) read(uint64) ([]byte, error) { return nil, errDamaged }
func (memoryStore) durable() bool               { return false }
func (memoryStore) close() error                { return nil }

// noStore is the store while the file cannot be opened: every commit fails.
type noStore struct{ memoryStore }

var errNotOpen = errors.New("the outbox is not open")

func (*noStore) commit(batch) error { return errNotOpen }
