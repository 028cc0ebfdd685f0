package outbox

import "time"

// store is where entries lie. One goroutine commits; any may read.
type store interface {
	// commit adds and removes entries, all of them or none, and returns when a power cut would not undo it.
	commit(b batch) error
	// read returns what was committed under the key of an entry.
	read(key uint64) ([]byte, error)
	// renew begins anew after errTorn: all entries are gone.
	renew() error
	// charge is how many bytes an entry with so many bytes of data takes.
	charge(size int) int64
	close() error
}

// record is an entry as it is stored.
type record struct {
	key    uint64
	camera string
	score  float64
	born   time.Duration // on the box's own clock
	data   []byte
}

// batch is what one commit does.
type batch struct {
	put    []record
	remove []uint64
	clock  time.Duration // of the box, now
}

// memory is a store without a file. The entries themselves hold the data: see entry.data.
type memory struct{}

func (memory) commit(batch) error          { return nil }
func (memory) read(uint64) ([]byte, error) { return nil, errCorrupt }
func (memory) renew() error                { return nil }
func (memory) charge(size int) int64       { return int64(size) + entryOverhead }
func (memory) close() error                { return nil }
