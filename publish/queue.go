package publish

import (
	"encoding/json"
	"sync"
	"time"
)

// late is how long an event may wait before it counts as replayed although the connection stood all the time.
const late = 5 * time.Second

// entry is one message of an accepted event.
type entry struct {
	topic    string
	event    *Event    // encoded when it is sent; nil for the plain picture
	picture  []byte    // the plain picture
	accepted time.Time // when Publish took it
	link     uint64    // number of the connection that was up then; 0 for none
	failures int       // connections in a row that ended without any acknowledgement while it was the oldest
}

// payload is what to send over the connection with the given number.
func (e *entry) payload(link uint64) []byte {
	if e.event == nil {
		return e.picture
	}
	event := *e.event
	event.Replayed = event.Replayed || e.link != link || time.Since(e.accepted) > late
	data, _ := json.Marshal(&event) // Publish has encoded it once already
	return data
}

// queue holds accepted messages, oldest first, until they are acknowledged. It is bounded: what does not fit is refused
// and never takes the place of something accepted. One goroutine takes from it, any may add.
type queue struct {
	mu      sync.Mutex
	entries []*entry
	limit   int
}

// push adds all of the entries or none.
func (q *queue) push(entries ...*entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.entries)+len(entries) > q.limit {
		return false
	}
	q.entries = append(q.entries, entries...)
	return true
}

// at returns the entry with i others before it, or nil.
func (q *queue) at(i int) *entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i >= len(q.entries) {
		return nil
	}
	return q.entries[i]
}

// pop removes the oldest entry.
func (q *queue) pop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.entries[0] = nil
	q.entries = q.entries[1:]
}

// rotate makes the oldest entry the youngest.
func (q *queue) rotate() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.entries = append(q.entries[1:], q.entries[0])
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries)
}
