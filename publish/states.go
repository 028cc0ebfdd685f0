package publish

import (
	"slices"
	"strings"
	"sync"
	"time"

	"facesieve/publish/event"
)

// maxGone bounds the states that wait to be cleared. A broker may hold any number of them; the rest is cleared after
// the next connection.
const maxGone = 1000

// states holds the latest state of each camera, and the one that the broker has. Only the latest is ever sent.
type states struct {
	mu         sync.Mutex
	latest     map[string]event.State
	sent       map[string]event.State
	gone       map[string]bool // cameras whose retained state is to be cleared; true once the empty message was sent
	configured map[string]bool // nil: not set yet, nothing is cleared
}

func newStates() states {
	return states{latest: map[string]event.State{}, sent: map[string]event.State{}, gone: map[string]bool{}}
}

// set stores the state. It reports whether it should be sent at once, see prompt.
func (s *states) set(state event.State) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.gone, state.Camera)
	s.latest[state.Camera] = state
	return prompt(state, s.sent[state.Camera])
}

// prompt reports whether a state differs from the one sent last in more than what can wait for a second, its rates for
// example.
func prompt(state, sent event.State) bool {
	return state.State != sent.State || state.Occupied != sent.Occupied || state.Settings != sent.Settings
}

// configure sets the names of the cameras that exist. The states of all others are to be cleared.
func (s *states) configure(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.configured
	s.configured = make(map[string]bool, len(names))
	for _, name := range names {
		s.configured[name] = true
	}
	for camera := range before {
		if !s.configured[camera] {
			s.remove(camera)
		}
	}
	for camera := range s.latest {
		if !s.configured[camera] {
			s.remove(camera)
		}
	}
}

// recordRetained records that the broker has a state of a camera. It reports whether that state is to be cleared.
func (s *states) recordRetained(camera string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, listed := s.gone[camera]
	if s.configured == nil || s.configured[camera] || listed || len(s.gone) >= maxGone {
		return false
	}
	if _, latest := s.latest[camera]; latest {
		return false
	}
	s.remove(camera)
	return true
}

func (s *states) remove(camera string) {
	delete(s.latest, camera)
	delete(s.sent, camera)
	s.gone[camera] = false
}

// removeAll marks all states to be cleared.
func (s *states) removeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for camera := range s.latest {
		s.remove(camera)
	}
}

// mayClear reports whether states that an earlier run has left behind may be cleared.
func (s *states) mayClear() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.configured != nil
}

// removed returns the cameras whose state is to be cleared, sorted.
func (s *states) removed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for camera, sent := range s.gone {
		if !sent {
			names = append(names, camera)
		}
	}
	slices.Sort(names)
	return names
}

// recordClearing records that the empty message was sent.
func (s *states) recordClearing(camera string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.gone[camera]; ok {
		s.gone[camera] = true
	}
}

// recordCleared records that the broker has acknowledged the empty message.
func (s *states) recordCleared(camera string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.gone, camera)
}

// due returns the states that the broker does not have, in order of the camera: all, or those that are to be sent at
// once.
func (s *states) due(all bool) []event.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []event.State
	for camera, state := range s.latest {
		if sent := s.sent[camera]; prompt(state, sent) || all && sent != state {
			due = append(due, state)
		}
	}
	slices.SortFunc(due, func(a, b event.State) int { return strings.Compare(a.Camera, b.Camera) })
	return due
}

// recordSent records that the link has accepted the state.
func (s *states) recordSent(state event.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[state.Camera] = state
}

// resetSent makes all states due: a new connection has sent none.
func (s *states) resetSent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sent)
	for camera := range s.gone {
		s.gone[camera] = false
	}
}

// stop changes all states to stopped. What does not depend on a running camera stays, its settings for example.
func (s *states) stop(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for camera, state := range s.latest {
		state.State, state.Since, state.Reason, state.Detail = event.Stopped, now.Round(0).UTC(), "", ""
		state.FPS, state.FacesPerSecond, state.Occupied = 0, 0, false
		s.latest[camera] = state
	}
}
