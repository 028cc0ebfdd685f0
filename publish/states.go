package publish

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// states holds the latest state of each camera and what of it the broker knows. Only the latest is ever sent.
type states struct {
	mu     sync.Mutex
	latest map[string]State
	sent   map[string]State
}

// set keeps the state and says whether it should be sent at once, because it is not merely another rate.
func (s *states) set(state State) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest[state.Camera] = state
	return state.State != s.sent[state.Camera].State
}

// due returns the states that the broker does not know, in order of the camera: all, or those with another word.
func (s *states) due(all bool) []State {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []State
	for camera, state := range s.latest {
		if sent := s.sent[camera]; sent.State != state.State || all && sent != state {
			due = append(due, state)
		}
	}
	slices.SortFunc(due, func(a, b State) int { return strings.Compare(a.Camera, b.Camera) })
	return due
}

// known notes that the state was handed over.
func (s *states) known(state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[state.Camera] = state
}

// forget makes all states due: a new connection knows nothing.
func (s *states) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sent)
}

// cameras returns the names that have a state, sorted.
func (s *states) cameras() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.latest))
}
