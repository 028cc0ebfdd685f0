package outbox

import (
	"cmp"
	"slices"
	"time"
)

// cameraQueue holds the waiting entries of one camera, both lists by entry.order.
type cameraQueue struct {
	fresh, backlog []*entry
	pausedUntil    time.Time // nothing is sent before, see Queue.Requeue
}

// schedule decides which entry is sent next: cameras take turns, and each sends its oldest first. It holds the entries
// in the states fresh and backlog, and no camera without one.
type schedule struct {
	cameras map[string]*cameraQueue
	turns   []string // cameras, the next first
}

// list returns the list that an entry belongs to by its state; nil if it does not wait.
func (s *schedule) list(e *entry) *[]*entry {
	camera := s.cameras[e.camera]
	switch e.state {
	case fresh:
		return &camera.fresh
	case backlog:
		return &camera.backlog
	default:
		return nil
	}
}

// push adds an entry to the queue of its camera.
func (s *schedule) push(e *entry) {
	if s.cameras[e.camera] == nil {
		s.cameras[e.camera] = &cameraQueue{}
		s.turns = append(s.turns, e.camera)
	}
	list := s.list(e)
	i, _ := slices.BinarySearchFunc(*list, e, byOrder)
	*list = slices.Insert(*list, i, e)
}

// remove removes an entry from its queue, if it is in one.
func (s *schedule) remove(e *entry) {
	list := s.list(e)
	if list == nil {
		return
	}
	if i, _ := slices.BinarySearchFunc(*list, e, byOrder); i == 0 { // the usual case, without a copy of the rest
		(*list)[0] = nil
		*list = (*list)[1:]
	} else {
		*list = slices.Delete(*list, i, i+1)
	}
	if camera := s.cameras[e.camera]; len(camera.fresh)+len(camera.backlog) == 0 {
		delete(s.cameras, e.camera)
		s.turns = slices.DeleteFunc(s.turns, func(name string) bool { return name == e.camera })
	}
}

// demote moves fresh entries that arrived before a time to the backlog; all of them if all is true.
func (s *schedule) demote(before time.Time, all bool) {
	for _, camera := range s.cameras {
		for len(camera.fresh) > 0 && (all || camera.fresh[0].arrived.Before(before)) {
			e := camera.fresh[0]
			camera.fresh = camera.fresh[1:]
			e.state = backlog
			s.push(e)
		}
	}
}

// next returns the entry of the first camera in turn for which pick returns one; the turn of that camera is over. It
// returns nil if there is none.
func (s *schedule) next(pick func(*cameraQueue) *entry) *entry {
	for i, name := range s.turns {
		camera := s.cameras[name]
		if camera.pausedUntil.After(time.Now()) {
			continue
		}
		if e := pick(camera); e != nil {
			s.turns = append(slices.Delete(s.turns, i, i+1), name)
			return e
		}
	}
	return nil
}

func firstFresh(c *cameraQueue) *entry {
	if len(c.fresh) == 0 {
		return nil
	}
	return c.fresh[0]
}

// firstOfBacklog returns a function that picks the oldest entry whose pause is over at a time.
func firstOfBacklog(now time.Time) func(*cameraQueue) *entry {
	return func(c *cameraQueue) *entry {
		for _, e := range c.backlog {
			if !e.retryAt.After(now) {
				return e
			}
		}
		return nil
	}
}

func byOrder(a, b *entry) int { return cmp.Compare(a.order, b.order) }
