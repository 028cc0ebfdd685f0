package capture

import (
	"math/rand/v2"
	"time"
)

// backoff gives the pauses between attempts: each is drawn between min and three times the one before, never above max
// ("decorrelated jitter", AWS Architecture Blog 2015). Cameras that lost power together do not come back in step.
type backoff struct {
	min, max, last time.Duration
}

func (b *backoff) next() time.Duration {
	high := min(b.max, 3*max(b.last, b.min))
	b.last = b.min + rand.N(high-b.min+1) //nolint:gosec // spreads load, guards nothing
	return b.last
}

func (b *backoff) reset() { b.last = 0 }
