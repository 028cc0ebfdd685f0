package outbox

import (
	"errors"
	"os"
	"time"
)

// store holds entries. One goroutine commits; any may read. Stores are compared, so each is a pointer or an empty
// struct.
type store interface {
	// commit adds and removes entries, all of them or none, and returns when a power cut would not undo it.
	commit(b batch) error
	// read returns what was committed under the key of an entry.
	read(key uint64) ([]byte, error)
	// renew replaces the file after errTorn. It returns the keys of the wanted records that could be salvaged; the
	// others are lost.
	renew(wanted func(record) bool) (map[uint64]bool, error)
	// charge is how many bytes an entry with so many bytes of data takes.
	charge(size int) int64
	// durable reports whether entries outlive the process.
	durable() bool
	close() error
}

// record is an entry as it is stored.
type record struct {
	key    uint64
	camera string
	score  float64
	born   time.Duration // on the clock of its store
	data   []byte
}

// batch is what one commit does.
type batch struct {
	put    []record
	remove []uint64
	clock  time.Duration // of the store, now
}

// memory is a store without a file. The entries themselves hold the data: see entry.data.
type memory struct{}

func (memory) commit(batch) error          { return nil }
func (memory) read(uint64) ([]byte, error) { return nil, errCorrupt }
func (memory) charge(size int) int64       { return int64(size) + entryOverhead }
func (memory) durable() bool               { return false }
func (memory) close() error                { return nil }

func (memory) renew(func(record) bool) (map[uint64]bool, error) { return nil, nil }

// absent is the store while the disk cannot be opened: every commit fails.
type absent struct{ memory }

var errAbsent = errors.New("the outbox is not open")

func (*absent) commit(batch) error    { return errAbsent }
func (*absent) charge(size int) int64 { return diskUsage(size) }

// diskUsage returns whole pages. In bbolt a value begins in a page that it shares, and continues in pages of its own.
func diskUsage(size int) int64 {
	page := os.Getpagesize()
	return int64((size + entryOverhead + page - 1) / page * page)
}
