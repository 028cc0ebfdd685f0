package outbox

import "time"

// state is where an entry is on its way.
type state int

const (
	pending  state = iota // Add waits until it is stored
	fresh                 // waits to be sent, see the package comment
	backlog               // waits to be sent, after the fresh ones
	inFlight              // Next has returned it
	removed               // delivered or dropped; it is not in Queue.entries
)

// entry is one event in the queue. Queue.mu guards all fields but those that do not change.
type entry struct {
	key     uint64 // identifies it for publishers; increases with every event of a run
	camera  string
	score   float64
	size    int       // of data, in bytes
	arrived time.Time // an entry is fresh for some time

	state      state
	order      int64         // the lower, the earlier it is sent
	created    time.Duration // on the clock of the queue
	connection uint64        // number of the connection that was up when it was added; 0 for none
	usage      int64         // bytes in the present store
	data       []byte        // nil if only the store has it
	accepted   bool          // it is counted as accepted
	decided    chan struct{} // closed when it is stored, held or removed

	store    store  // where it is stored; nil: nowhere
	storeKey uint64 // its key there
	writing  bool   // the writer is committing it to the present store

	failures int       // connections that ended while it was the oldest in flight
	retryAt  time.Time // it is not sent before
}

// decide ends the wait of Add.
func (e *entry) decide() {
	if e.decided != nil {
		close(e.decided)
		e.decided = nil
	}
}

// durable reports whether the entry outlives the process.
func (e *entry) durable() bool { return e.store != nil && e.store.durable() }

// matches reports whether a record with the key of the entry is that of the entry. After a file was replaced, another
// record may have the key.
func (e *entry) matches(r record) bool {
	return e.camera == r.camera && e.score == r.score && e.size == r.size
}
