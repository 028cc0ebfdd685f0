package capture

import "time"

const (
	// longestPause bounds what a slow stream may stay silent.
	longestPause = time.Minute
	// rememberedPauses are the pauses between frames that count.
	rememberedPauses = 8
)

// tempo finds out for how long a live stream may stay silent: read_timeout is for streams of some frames a second, and
// some give one in several seconds.
type tempo struct {
	opening, reading time.Duration // the configured limits
	declared         time.Duration // between frames, by the stream's own account; 0: unknown
	last             time.Time     // of the newest frame
	pauses           [rememberedPauses]time.Duration
	frames           int
}

// patience returns how long the next frame may take.
func (t *tempo) patience() time.Duration {
	slowest := t.declared
	for _, pause := range t.pauses {
		slowest = max(slowest, pause)
	}
	limit := max(t.reading, min(3*slowest, longestPause))
	if t.frames < 2 { // the stream's rate is not seen yet
		limit = max(limit, t.opening)
	}
	return limit
}

// frame counts a frame that came at this time.
func (t *tempo) frame(at time.Time) {
	if t.frames > 0 {
		t.pauses[t.frames%rememberedPauses] = at.Sub(t.last)
	}
	t.frames++
	t.last = at
}
