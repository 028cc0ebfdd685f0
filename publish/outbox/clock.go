package outbox

import "time"

// clock is the clock by which events age. It counts the time since the outbox was created, plus firstClock. While the
// program runs it is monotonic, so a jump of the wall clock does not change it.
type clock struct {
	base    time.Duration // at the start of this run
	started time.Time
}

const (
	// firstClock is the clock of a new outbox. It is above zero because events of another outbox may be older.
	firstClock = maxAge
	// maxClock is above every value that a clock can have.
	maxClock = 1 << 62
	// earliestWall is before every wall clock that was set, in Unix seconds: 2025-01-01.
	earliestWall = 1735689600
)

func (c clock) now() time.Duration { return c.base + time.Since(c.started) }

// resume returns the clock at the wall time now if it was last at the wall time then. It does not advance if the wall
// clock went backwards or was not set then, because the time in between is unknown.
func resume(last time.Duration, then, now time.Time) time.Duration {
	if then.Unix() < earliestWall || now.Before(then) {
		return last
	}
	return last + now.Sub(then)
}
