package capture

import "time"

// defaultPeriod is the time of one frame where a source does not tell its frame rate.
const defaultPeriod = 40 * time.Millisecond

// saneRate reports whether a frame rate may be one: back ends say 0, NaN, or the 90000 of the stream's clock.
func saneRate(fps float64) bool { return fps > 1e-3 && fps < 1e3 }

// period returns the time of one frame at fps frames a second.
func period(fps float64) time.Duration {
	if !saneRate(fps) {
		return defaultPeriod
	}
	return time.Duration(float64(time.Second) / fps)
}

// timeline makes rising positions of a file's timestamps. OpenCV reports 0 for the last frames of a stream with
// B-frames, recorders start their clocks again within a file, and damaged files jump.
type timeline struct {
	begun  bool
	last   time.Duration // the position given last
	offset time.Duration // from a timestamp to a position
}

// next returns the position of the frame with the given timestamp; step is the time of a frame by the frame rate. An
// unknown timestamp (0) or one that steps back a little counts one step; a jump of a minute or more starts a new clock.
func (t *timeline) next(stamp, step time.Duration) time.Duration {
	position := stamp + t.offset
	limit := max(time.Minute, 2*step)
	switch {
	case !t.begun:
		t.begun = true
		position = max(position, 0)
	case stamp == 0:
		position = t.last + step
	case position >= t.last+limit || position <= t.last-limit:
		position = t.last + step
		t.offset = position - stamp
	case position <= t.last:
		position = t.last + step
	}
	t.last = position
	return position
}

// again makes the next timestamps, which begin anew, follow the last position.
func (t *timeline) again(step time.Duration) {
	if t.begun {
		t.last += step
		t.offset = t.last
		t.begun = false
	}
}
