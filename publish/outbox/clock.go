package outbox

import "time"

// clock is the outbox's own clock. It counts the time since the outbox was created, plus firstClock. It runs with the
// monotonic clock, so a jump of the wall clock does not change it.
type clock struct {
	base    time.Duration // at the start of this run
	started time.Time
}

const (
	// firstClock is the clock of a new outbox. It is above zero because events of another outbox may be older.
	firstClock = maxAge
	// maxClock is above every value that a clock can have.
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
