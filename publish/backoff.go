package publish

import (
	"math/rand/v2"
	"time"
)

// backoff is how long to wait before the next attempt: twice as long each time, and jittered so that a hundred cameras
// do not come back to their broker in the same second.
type backoff struct {
	min, max, next time.Duration
}

// reset makes the next wait a short one.
func (b *backoff) reset() { b.next = 0 }

// wait returns a time between half of the present wait and all of it.
func (b *backoff) wait() time.Duration {
	b.next = min(max(2*b.next, b.min), b.max)
	return b.next/2 + rand.N(b.next/2+1) //nolint:gosec // no secret
}
