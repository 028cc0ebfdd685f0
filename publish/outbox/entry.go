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
	key     uint64 // its name in the store; rises with every event
	order   uint64 // its place in the backlog
	camera  string
	score   float64
	born    time.Duration // on the box's own clock
	arrived time.Time     // for the time it counts as fresh
	link    uint64        // number of the connection that was up then; 0 for none
	bytes   int64         // it takes in the store
	data    []byte        // nil while only the store has it
	place   place

	saved   bool          // a power cut would not undo it
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

func (e *entry) record() record {
	return record{key: e.key, camera: e.camera, score: e.score, born: e.born, data: e.data}
}
