package outbox

import (
	"cmp"
	"slices"
	"time"
)

// lane holds the waiting events of one camera.
type lane struct {
	fresh   []*entry  // in order of arrival
	backlog []*entry  // in order of entry.order
	held    time.Time // nothing is sent before, see Box.Hold
}

// lanes gives every camera its turn.
type lanes struct {
	of   map[string]*lane
	ring []string // cameras, the one whose turn is next first
}

func (l *lanes) lane(camera string) *lane {
	found := l.of[camera]
	if found == nil {
		found = &lane{}
		l.of[camera] = found
		l.ring = append(l.ring, camera)
	}
	return found
}

// push puts an entry into the lane of its camera, by its place.
func (l *lanes) push(e *entry) {
	to := l.lane(e.camera)
	if e.place == fresh {
		to.fresh = append(to.fresh, e)
		return
	}
	i, _ := slices.BinarySearchFunc(to.backlog, e, byOrder)
	to.backlog = slices.Insert(to.backlog, i, e)
}

// remove takes an entry out of its lane, if it is in one.
func (l *lanes) remove(e *entry) {
	from := l.of[e.camera]
	switch e.place {
	case fresh:
		from.fresh = without(from.fresh, slices.Index(from.fresh, e))
	case backlog:
		i, _ := slices.BinarySearchFunc(from.backlog, e, byOrder)
		from.backlog = without(from.backlog, i)
	default:
		return
	}
	if len(from.fresh)+len(from.backlog) == 0 {
		delete(l.of, e.camera)
		l.ring = slices.DeleteFunc(l.ring, func(camera string) bool { return camera == e.camera })
	}
}

// without removes the element at i; the first, the usual case, without moving the rest.
func without(list []*entry, i int) []*entry {
	if i == 0 {
		list[0] = nil
		return list[1:]
	}
	return slices.Delete(list, i, i+1)
}

// demote makes backlog of the fresh entries that arrived before a time, or of all.
func (l *lanes) demote(before time.Time, all bool) {
	for _, in := range l.of {
		for len(in.fresh) > 0 && (all || in.fresh[0].arrived.Before(before)) {
			e := in.fresh[0]
			in.fresh = without(in.fresh, 0)
			e.place = backlog
			l.push(e)
		}
	}
}

// next is the first entry of the first camera that has one, by pick; that camera is the last from then on.
func (l *lanes) next(pick func(*lane) *entry) *entry {
	for i, camera := range l.ring {
		if l.of[camera].held.After(time.Now()) {
			continue
		}
		if e := pick(l.of[camera]); e != nil {
			l.ring = append(slices.Delete(l.ring, i, i+1), camera)
			return e
		}
	}
	return nil
}

func firstFresh(l *lane) *entry {
	if len(l.fresh) == 0 {
		return nil
	}
	return l.fresh[0]
}

// firstRested picks the oldest of the backlog that does not rest.
func firstRested(now time.Time) func(*lane) *entry {
	return func(l *lane) *entry {
		for _, e := range l.backlog {
			if !e.rest.After(now) {
				return e
			}
		}
		return nil
	}
}

func byOrder(a, b *entry) int { return compare(a.order, b.order) }

func compare(a, b uint64) int { return cmp.Compare(a, b) }
