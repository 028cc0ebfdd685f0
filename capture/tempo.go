package capture

import "time"

const (
	// longestPause is the longest time that a slow stream may deliver no frame.
	longestPause = time.Minute
	// rememberedPauses is the number of recent pauses between frames that are used.
	rememberedPauses = 8
)

// tempo determines how long a live stream may deliver no frame. read_timeout is for streams of several frames a second,
// but some streams have one frame in several seconds.
type tempo struct {
	opening, reading time.Duration // the configured limits
	declared         time.Duration // between frames, as declared by the stream; 0: unknown
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
	if t.frames < 2 { // the rate of the stream is not known yet
		limit = max(limit, t.opening)
	}
	return limit
}

// frame records a frame that arrived at this time.
func (t *tempo) frame(at time.Time) {
	if t.frames > 0 {
		t.pauses[t.frames%rememberedPauses] = at.Sub(t.last)
	}
	t.frames++
	t.last = at
}
