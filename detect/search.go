package detect

import "time"

// maxFollowed is the number of faces up to which following them is cheaper than a search of the frame.
const maxFollowed = 8

// Search decides which frames the detector searches for faces. In the other frames a Refiner follows the known faces
// for a small part of the cost.
type Search struct {
	cfg   Config
	last  time.Time // of the last search
	frame time.Time // of the last frame
}

// NewSearch returns a Search with a valid configuration.
func NewSearch(cfg Config) *Search { return &Search{cfg: cfg} }

// Configure replaces the configuration by another valid one.
func (s *Search) Configure(cfg Config) { s.cfg = cfg }

// Due reports whether a frame of this time, in which so many faces are expected, is to be searched. Call it for each
// frame. It is, if the next frame would come later than the period after the last search, when the frames go on at the
// same rate.
func (s *Search) Due(at time.Time, expected int) bool {
	period, passed, interval := s.cfg.SearchEvery, at.Sub(s.last), at.Sub(s.frame)
	s.frame = at
	late := passed >= period || interval > period-passed // both may be as long as a Duration can be
	return passed < 0 || late || !s.cfg.Refine || expected > maxFollowed
}

// Done records a search of the frame of this time. The next one is due a period later.
func (s *Search) Done(at time.Time) { s.last = at }

// Restart makes a search of the next frame due, because it may show another scene.
func (s *Search) Restart() { s.last = time.Time{} }
