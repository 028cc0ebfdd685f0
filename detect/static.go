package detect

import (
	"math"
	"slices"
	"time"
)

// Static recognises faces that do not move: posters, screens, statues. Distances are relative to the size of the face,
// and are also the limits of the difference of the log of the size. Of the detections of a rendered poster, 99 % are
// within 0.011 of its place. Nobody holds the head that still for minutes.
const (
	staticNear   = 0.1              // maximum distance of a new track from the place of an earlier one
	staticMove   = 0.03             // distance from which on a face moved
	staticRegion = 0.25             // distance from which on a face at a static place moved
	staticSmooth = 3 * time.Second  // time constant of the moving average that removes the noise of a detection
	staticGap    = 10 * time.Second // time without a face after which a place is forgotten, if it is not static
	staticKeep   = 24 * time.Hour   // the same for a static place
	staticPlaces = 64               // maximum number of places; the one without a face for the longest time goes first
)

// Static finds the faces that do not move for a period, and recognises them later by their place. Sequences of tracks at
// one place count as one face, because a poster behind people has many.
type Static struct {
	period time.Duration
	places []place
}

// place is where a face is or was.
type place struct {
	track        uint64     // the last one there
	anchor, mean [3]float64 // x, y, log of the size; pixels. anchor: when it last moved; mean: moving average
	since, seen  time.Time  // when it last moved, and when it last had a face
	static       bool
}

// NewStatic returns a Static for this period; 0: no face is static.
func NewStatic(period time.Duration) *Static { return &Static{period: period} }

// Configure replaces the period. The places stay; at 0 they are forgotten.
func (s *Static) Configure(period time.Duration) {
	if s.period = period; period == 0 {
		s.places = nil
	}
}

// Ignores reports whether a face, detected at this time, is at the place of a static one.
func (s *Static) Ignores(at time.Time, face Face) bool {
	p := s.nearest(position(&face), staticRegion, func(p *place) bool { return p.static })
	if p != nil {
		p.seen = at
	}
	return p != nil
}

// Update adds the faces of the confirmed tracks in a frame. It returns those that did not move for the period, and how
// long. From then on, Ignores is true for them.
func (s *Static) Update(at time.Time, active []Track) (static []Track, still []time.Duration) {
	if s.period == 0 {
		return nil, nil
	}
	s.places = slices.DeleteFunc(s.places, func(p place) bool {
		keep := staticGap
		if p.static {
			keep = staticKeep
		}
		return at.Sub(p.seen).Abs() > keep
	})
	for _, track := range active {
		p := s.update(at, track, active)
		if lasted := at.Sub(p.since); !p.static && lasted >= s.period {
			p.static = true
			static, still = append(static, track), append(still, lasted)
		}
	}
	return static, still
}

// update returns the place of a track, updated with its face or new. active are the tracks of the frame.
func (s *Static) update(at time.Time, track Track, active []Track) *place {
	now := position(&track.Face)
	p := s.placeOf(now, track.ID, active)
	if p == nil {
		if len(s.places) == staticPlaces {
			s.removeOldest()
		}
		s.places = append(s.places, place{track: track.ID, anchor: now, mean: now, since: at, seen: at})
		return &s.places[len(s.places)-1]
	}
	p.track = track.ID
	weight := 1 - math.Exp(-at.Sub(p.seen).Abs().Seconds()/staticSmooth.Seconds())
	for i := range p.mean {
		p.mean[i] += weight * (now[i] - p.mean[i])
	}
	p.seen = at
	if apart(p.mean, p.anchor) > staticMove {
		p.anchor, p.since = p.mean, at
	}
	return p
}

// placeOf returns the place of a track, or the nearest one whose track is not in the frame; nil: there is none.
func (s *Static) placeOf(now [3]float64, track uint64, active []Track) *place {
	for i := range s.places {
		if p := &s.places[i]; p.track == track && !p.static {
			return p
		}
	}
	return s.nearest(now, staticNear, func(p *place) bool {
		return !p.static && !slices.ContainsFunc(active, func(t Track) bool { return t.ID == p.track })
	})
}

// nearest returns the place closest to a face among those that match, and not further than limit; nil: there is none.
func (s *Static) nearest(now [3]float64, limit float64, matches func(*place) bool) (best *place) {
	for i := range s.places {
		if p := &s.places[i]; matches(p) {
			if d := apart(now, p.anchor); d <= limit {
				best, limit = p, d
			}
		}
	}
	return best
}

func (s *Static) removeOldest() {
	oldest := 0
	for i, p := range s.places {
		if p.seen.Before(s.places[oldest].seen) {
			oldest = i
		}
	}
	s.places = slices.Delete(s.places, oldest, oldest+1)
}

// position returns x and y of the centre of a face in pixels, and the log of its size.
func position(face *Face) [3]float64 {
	x, y, size := measure(face)
	return [3]float64{x, y, size}
}

// apart returns the distance of two positions in sizes of the first, or the difference of the log of their sizes if that
// is larger.
func apart(a, b [3]float64) float64 {
	return max(math.Hypot(a[0]-b[0], a[1]-b[1])/math.Exp(a[2]), math.Abs(a[2]-b[2]))
}
