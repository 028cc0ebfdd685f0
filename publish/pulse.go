package publish

import (
	"sync/atomic"
	"time"
)

// pulse says whether a goroutine goes on: before every step it promises when the next begins.
type pulse struct{ promised atomic.Int64 } // Unix nanoseconds

func (p *pulse) promise(within time.Duration) { p.promised.Store(time.Now().Add(within).UnixNano()) }

// Stuck says whether the publisher's goroutine hangs: it has not come to its next step by the time that it promised. A
// broker that is away, or takes nothing, is no such case, for then it goes on trying.
func (p *Publisher) Stuck() bool { return time.Now().UnixNano() > p.pulse.promised.Load() }
