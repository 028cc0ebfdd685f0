package detect

import (
	"image"
	"slices"
	"time"
)

const (
	// maxFollowed is the number of faces up to which following them is cheaper than a search of the frame.
	maxFollowed = 8
	// aroundLost is how far around the box of a lost face it is searched, in longer sides of the box.
	aroundLost = 1.5
)

// Search decides which frames the detector searches for faces, and which part of them. In the other frames, and in the
// other parts, a Refiner follows the known faces for a small part of the cost.
type Search struct {
	cfg   Config
	last  time.Time       // of the last search
	whole time.Time       // of the last search of a whole frame
	frame time.Time       // of the last frame
	part  image.Rectangle // of the frame, that the next search needs
	all   bool            // the search that is due is one of the whole frame
}

// NewSearch returns a Search with a valid configuration.
func NewSearch(cfg Config) *Search { return &Search{cfg: cfg} }

// Configure replaces the configuration by another valid one.
func (s *Search) Configure(cfg Config) { s.cfg = cfg }

// Add adds a part of the frame, pixels, to the next search, because something moved there, or a face may appear again.
func (s *Search) Add(part image.Rectangle) { s.part = s.part.Union(part) }

// Due reports whether a frame of this time, in which so many faces are expected, is to be searched, and which part of
// it, pixels; empty stands for the whole frame. Call it for each frame. A search of what was added is due if the period
// after the last search is over, or would be over by a third when the next frame comes at the same rate. The whole frame
// is searched as often as one without motion.
func (s *Search) Due(at time.Time, expected int) (part image.Rectangle, due bool) {
	interval, period := at.Sub(s.frame), s.cfg.SearchEvery
	s.frame = at
	s.all = overdue(at.Sub(s.whole), max(s.cfg.Motion.Every, period)) ||
		!s.cfg.Refine || period == 0 || expected > maxFollowed
	if s.all {
		return image.Rectangle{}, true
	}
	passed := at.Sub(s.last)
	late := overdue(passed, period) || interval > period+period/3-passed // both may be as long as a Duration can be
	return s.part, late && !s.part.Empty()
}

// overdue reports whether a period is over, or the clock was set back.
func overdue(passed, period time.Duration) bool { return passed < 0 || passed >= period }

// Done records the search that was due for the frame of this time. The next one is due a period later.
func (s *Search) Done(at time.Time) {
	s.last, s.part = at, image.Rectangle{}
	if s.all {
		s.whole = at
	}
}

// Restart makes a search of the whole next frame due, because it may show another scene.
func (s *Search) Restart() { s.whole = time.Time{} }

// Around returns the part of a frame, pixels, in which to search for lost faces, whose expected boxes are given.
func Around(boxes [][4]float32) (part image.Rectangle) {
	for _, b := range boxes {
		by := aroundLost * max(b[2], b[3])
		part = part.Union(image.Rect(int(b[0]-by), int(b[1]-by), int(b[0]+b[2]+by), int(b[1]+b[3]+by)))
	}
	return part
}

// Elsewhere returns the boxes, pixels of the frame, at which there is none of the faces.
func Elsewhere(boxes [][4]float32, faces []Face) [][4]float32 {
	return slices.DeleteFunc(slices.Clone(boxes), func(box [4]float32) bool {
		return slices.ContainsFunc(faces, func(f Face) bool { return f.at([][4]float32{box}) })
	})
}

// at reports whether the face is at one of the boxes: most of the smaller one of the two is inside the other one.
func (f *Face) at(boxes [][4]float32) bool {
	return slices.ContainsFunc(boxes, func(box [4]float32) bool {
		_, inside := overlap(f.Box, box)
		return inside > sameFace
	})
}
