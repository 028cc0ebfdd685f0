package outbox

import "time"

// place says where an entry is.
type place int

const (
	pending place = iota // on its way into the store
	fresh
	backlog
	inFlight
	gone
)

// entryOverhead is about what an entry costs beside its data, in bytes.
const entryOverhead = 256

// entry is one event in the box.
type entry struct {
	key     uint64 // identifies it for publishers; increases with every event of a run
	order   uint64 // its place in the backlog
	camera  string
	score   float64
	born    time.Duration // on the box's own clock
	arrived time.Time     // for the time it counts as fresh
	link    uint64        // number of the connection that was up then; 0 for none
	size    int           // of data, in bytes
	bytes   int64         // it takes in the store
	data    []byte        // nil while only the store has it
	place   place

	home    store         // where it is saved: the present store or one whose events move to it; nil: nowhere
	slot    uint64        // its key there
	target  uint64        // its key in the present store, while a commit is under way
	writing bool          // a commit with it is under way
	counted bool          // as accepted
	settled chan struct{} // closed when it is saved, held or gone

	failures int       // connections that ended while it was the oldest in flight
	rest     time.Time // it is not sent again before
}

func (e *entry) settle() {
	if e.settled != nil {
		close(e.settled)
		e.settled = nil
	}
}

// durable reports whether the entry outlives the process.
func (e *entry) durable() bool { return e.home != nil && e.home.durable() }

// record returns the entry as the running commit writes it.
func (e *entry) record() record {
	return record{key: e.target, camera: e.camera, score: e.score, born: e.born, data: e.data}
}
