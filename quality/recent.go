package quality

import (
	"slices"
	"sync"
	"time"
)

// maxRecent bounds the visits that Recent holds; the oldest goes first.
const maxRecent = 256

// Recent holds the visits that have ended, for Config.Visit.Rejoin, so that a person who returns continues a visit. Each
// camera has one; with Config.Visit.Across several cameras share one. It is biometric data, and stays in memory. It is
// safe for concurrent use.
type Recent struct {
	mutex sync.Mutex
	past  []pastVisit // in the order in which they ended
}

// pastVisit is a visit that has ended.
type pastVisit struct {
	Visit
	selected
	person  template
	matcher *Matcher // of the network that computed the embeddings
	ended   time.Time
	keep    time.Duration // after the end
}

// NewRecent returns an empty Recent.
func NewRecent() *Recent { return &Recent{} }

// add adds a visit that ended.
func (r *Recent) add(p pastVisit) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(r.past) >= maxRecent {
		r.past = slices.Delete(r.past, 0, 1)
	}
	r.past = append(r.past, p)
}

// take removes and returns the visit with the highest positive similarity, if there is one, among those whose embeddings
// are comparable with this matcher.
func (r *Recent) take(m *Matcher, similarity func(*template) float64) (pastVisit, bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	best, index := 0.0, -1
	for i := range r.past {
		if r.past[i].matcher != m {
			continue
		}
		if s := similarity(&r.past[i].person); s > best {
			best, index = s, i
		}
	}
	if index < 0 {
		return pastVisit{}, false
	}
	p := r.past[index]
	r.past = slices.Delete(r.past, index, index+1)
	return p, true
}

// expire removes the visits whose time is over, also where the clock was set back.
func (r *Recent) expire(now time.Time) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.past = slices.DeleteFunc(r.past, func(p pastVisit) bool { return now.Sub(p.ended).Abs() > p.keep })
}
