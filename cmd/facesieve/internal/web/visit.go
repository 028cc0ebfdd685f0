package web

import (
	"slices"
	"time"

	"facesieve/publish/event"
	"facesieve/quality"
)

// point is one face of a visit's score curve.
type point struct {
	track    uint64
	time     time.Time
	score    float64 // 0..100, or quality.NotAssessed
	reason   quality.Reason
	text     string // the reason, for people
	passed   bool   // it is scored, and no gate ruled it out
	skipped  bool   // it was not scored, because its visit holds or sent a better one
	colour   colour
	unlike   bool // its landmarks cannot be a face's, so it passes no gates
	measures gateMeasures
}

// outranks reports whether a point is the better one to keep: a scored one that no gate ruled out, then the one of the
// higher score. So the best face of a visit is always kept.
func (p point) outranks(other point) bool {
	if p.passed != other.passed {
		return p.passed
	}
	return p.score > other.score
}

// picture is the aligned face of a point.
type picture struct {
	point
	number uint64
	jpeg   []byte // nil until it is encoded
	sent   bool
	detail string // score and measures, for people
}

// visit is what is kept of a visit.
type visit struct {
	bounds      *Bounds
	number      uint64 // from 1, in the order of beginning
	id, camera  string
	first, last time.Time
	figures     quality.Visit

	points  []point       // in the order of time; when there are too many, the better one of every two is kept
	stride  int           // the best of every so many faces is a point
	faces   int           // that the last point is the best of
	watched time.Duration // how long its camera was watched when it began

	best         *picture // the face sent last, or else that of the highest score
	top          *picture // the face of the highest score that no gate ruled out, sent or not
	pictures     []*picture
	pause        time.Duration // between two pictures; it doubles when there are too many
	sentPictures []*picture

	sent       int
	sentAt     time.Time
	sentScore  float64
	policy     string
	rejected   quality.Reason // of a decision; a later face may be sent nevertheless
	reasons    []event.Miss
	labels     map[string]float64
	components event.Components
}

// add adds a face. It reports whether its score is the highest of the visit, and no face was sent yet.
func (v *visit) add(p point) (best bool) {
	v.last = p.time
	best = v.sent == 0 && p.score != quality.NotAssessed && (v.best == nil || v.better(p))
	if last := len(v.points) - 1; last >= 0 && v.faces < v.stride {
		if v.faces++; p.outranks(v.points[last]) {
			v.points[last] = p
		}
		return best
	}
	v.faces = 1
	v.points = append(v.points, p)
	v.thin()
	return best
}

// thin keeps the better one of every two points where there are too many.
func (v *visit) thin() {
	for len(v.points) > v.bounds.Points {
		half := v.points[:0]
		for i := 0; i < len(v.points); i += 2 {
			p := v.points[i]
			if i+1 < len(v.points) && v.points[i+1].outranks(p) {
				p = v.points[i+1]
			}
			half = append(half, p)
		}
		clear(v.points[len(half):])
		v.points = half
		v.stride *= 2
	}
}

// better reports whether a face is the better one to show: one that may be sent before one that may not, then the one
// of the higher score.
func (v *visit) better(p point) bool {
	if sendable := p.reason == ""; sendable != (v.best.reason == "") {
		return sendable
	}
	return p.score > v.best.score
}

// tops reports whether no gate ruled a face out, and its score is the highest of such faces.
func (v *visit) tops(p point) bool {
	return p.passed && p.score != quality.NotAssessed && (v.top == nil || p.score > v.top.score)
}

// wantsPicture reports whether the pause since the last picture is over.
func (v *visit) wantsPicture(at time.Time) bool {
	return len(v.pictures) == 0 || at.Sub(v.pictures[len(v.pictures)-1].time) >= v.pause
}

func (v *visit) addPicture(p *picture) {
	if v.pictures = append(v.pictures, p); len(v.pictures) > v.bounds.Pictures {
		v.pictures = everySecond(v.pictures)
		v.pause *= 2
	}
}

// moveTo moves the faces of a track to another visit.
func (v *visit) moveTo(to *visit, m quality.Move) {
	moves := func(p point) bool { return p.track == m.Track && !p.time.Before(m.Since) }
	count := len(v.points)
	to.points = append(to.points, kept(v.points, moves)...)
	v.points = slices.DeleteFunc(v.points, moves)
	movesPicture := func(p *picture) bool { return !p.sent && moves(p.point) } // a sent one belongs to its event
	to.pictures = append(to.pictures, kept(v.pictures, movesPicture)...)
	v.pictures = slices.DeleteFunc(v.pictures, movesPicture)
	v.moveBest(to, movesPicture)
	if len(v.points) != count {
		to.settle()
		v.settle()
	}
}

// moveBest moves the best faces of a visit to another one, if they are among those that move.
func (v *visit) moveBest(to *visit, moves func(*picture) bool) {
	if v.best != nil && moves(v.best) {
		if to.sent == 0 && (to.best == nil || to.better(v.best.point)) {
			to.best, to.labels, to.components = v.best, v.labels, v.components
		}
		v.best, v.labels, v.components = bestOf(v.pictures), nil, nil
	}
	if v.top != nil && moves(v.top) {
		if to.tops(v.top.point) {
			to.top = v.top
		}
		v.top = bestOf(kept(v.pictures, func(p *picture) bool { return p.passed }))
	}
}

// settle restores the order and the bounds after faces were moved.
func (v *visit) settle() {
	slices.SortStableFunc(v.points, func(a, b point) int { return a.time.Compare(b.time) })
	slices.SortStableFunc(v.pictures, func(a, b *picture) int { return a.time.Compare(b.time) })
	v.thin()
	for len(v.pictures) > v.bounds.Pictures {
		v.pictures = everySecond(v.pictures)
		v.pause *= 2
	}
	if len(v.points) > 0 {
		v.first, v.last = v.points[0].time, v.points[len(v.points)-1].time
	}
}

// empty reports whether nothing is left of the visit, because all its faces were moved.
func (v *visit) empty() bool { return len(v.points) == 0 && v.sent == 0 && v.rejected == "" }

// allPictures returns every picture once, in the order of time.
func (v *visit) allPictures() []*picture {
	all := slices.Clone(v.pictures)
	present := map[*picture]bool{nil: true}
	for _, p := range all {
		present[p] = true
	}
	for _, p := range append([]*picture{v.best, v.top}, v.sentPictures...) {
		if !present[p] {
			present[p] = true
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(a, b *picture) int { return a.time.Compare(b.time) })
	return all
}

// pictureOf returns the picture of a face, or nil. A track has one face in a frame.
func (v *visit) pictureOf(track uint64, at time.Time) *picture {
	of := func(p *picture) bool { return p != nil && p.track == track && p.time.Equal(at) }
	for _, all := range [][]*picture{v.pictures, v.sentPictures, {v.best, v.top}} {
		if i := slices.IndexFunc(all, of); i >= 0 {
			return all[i]
		}
	}
	return nil
}

// bestOf returns the picture of the highest score, or nil.
func bestOf(pictures []*picture) *picture {
	var best *picture
	for _, p := range pictures {
		if best == nil || p.score > best.score {
			best = p
		}
	}
	return best
}

// everySecond drops every second item but the last.
func everySecond[T any](all []T) []T {
	half := all[:0]
	for i, one := range all {
		if i%2 == 0 || i == len(all)-1 {
			half = append(half, one)
		}
	}
	clear(all[len(half):])
	return half
}

func kept[T any](all []T, keep func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(all), func(one T) bool { return !keep(one) })
}
