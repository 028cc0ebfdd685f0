package capture

import "time"

// watchdog tells, once, that a call into OpenCV did not return in its time.
type watchdog struct {
	overdue chan struct{}
	timer   *time.Timer
}

// newWatchdog returns one that sleeps.
func newWatchdog() *watchdog {
	w := &watchdog{overdue: make(chan struct{}, 1)}
	w.timer = time.AfterFunc(time.Hour, func() { signal(w.overdue) })
	w.timer.Stop()
	return w
}

// watch begins to watch a call that ought to be over after limit; rest ends it.
func (w *watchdog) watch(limit time.Duration) { w.timer.Reset(limit + grace) }

func (w *watchdog) rest() { w.timer.Stop() }
