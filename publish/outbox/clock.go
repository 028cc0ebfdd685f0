package outbox

import "time"

// clock is the box's own: the time that it has existed, and some more. It runs with the monotonic clock, so that a jump
// of the wall clock means nothing to it.
type clock struct {
	base    time.Duration // at the start of this run
	started time.Time
}

const (
	// firstClock is where the clock of a new box begins: events of another box may be older than it.
	firstClock = maxAge
	// maxClock is more than a clock can have reached.
	maxClock = 1 << 62
)

func (c clock) now() time.Duration { return c.base + time.Since(c.started) }

// sane is a date before which no clock that was ever set can be.
const sane = 1735689600 // 2025-01-01

// resume is what the clock stands at when the last run left it at last, and the wall clock then and now shows these
// times. A wall clock that went backwards, or was not set then, tells nothing about the time in between.
func resume(last time.Duration, then, now time.Time) time.Duration {
	if then.Unix() < sane || now.Before(then) {
		return last
	}
	return last + now.Sub(then)
}
