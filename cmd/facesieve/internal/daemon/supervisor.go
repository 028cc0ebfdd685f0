package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// supervisor starts and stops the camera workers. It is not safe for concurrent use.
type supervisor struct {
	ctx     context.Context
	cancel  context.CancelFunc
	workers []*worker // in the order of the configuration
	leaving []*worker // stopped, and not closed yet
	number  uint64    // of the last worker
	ended   chan struct{}
}

func newSupervisor(ctx context.Context) *supervisor {
	ctx, cancel := context.WithCancel(ctx)
	return &supervisor{ctx: ctx, cancel: cancel, ended: make(chan struct{}, 1)}
}

// named returns the worker of the camera with this name, or nil.
func (s *supervisor) named(name string) *worker {
	if i := slices.IndexFunc(s.workers, func(w *worker) bool { return w.name == name }); i >= 0 {
		return s.workers[i]
	}
	return nil
}

// replace makes workers the present ones: it starts those that are new, and stops those that are not among them. It
// returns the names of the cameras that were removed.
func (s *supervisor) replace(workers []*worker) (removed []string) {
	for _, w := range s.workers {
		if !slices.Contains(workers, w) {
			w.cancel()
			s.leaving = append(s.leaving, w)
		}
	}
	before := workerNames(s.workers)
	for _, w := range workers {
		if slices.Contains(s.workers, w) {
			continue
		}
		s.number++
		w.number = s.number
		if !w.ended() {
			w.start(s.ctx, s.notifyEnded)
		}
	}
	s.workers = workers
	s.leaving = slices.DeleteFunc(s.leaving, func(w *worker) bool {
		select {
		case <-w.done:
			return true
		default:
			return false
		}
	})
	return slices.DeleteFunc(before, func(name string) bool { return s.named(name) != nil })
}

func workerNames(workers []*worker) []string {
	var names []string
	for _, w := range workers {
		names = append(names, w.name)
	}
	return names
}

// notifyEnded signals that a worker has ended. The channel holds one signal, which stands for any number.
func (s *supervisor) notifyEnded() {
	select {
	case s.ended <- struct{}{}:
	default:
	}
}

// allEnded reports whether all workers have ended. That of a disabled camera has not, because it may be enabled again.
func (s *supervisor) allEnded() bool {
	return !slices.ContainsFunc(s.workers, func(w *worker) bool { return w.disabled || !w.ended() })
}

// stop stops all workers and waits until they have passed their last decisions, at most for limit.
func (s *supervisor) stop(limit time.Duration) error {
	s.cancel()
	return s.await(limit, "does not stop", func(w *worker) <-chan struct{} { return w.flushed })
}

// close waits until all sources are closed too, at most for limit.
func (s *supervisor) close(limit time.Duration) error {
	return s.await(limit, "does not close", func(w *worker) <-chan struct{} { return w.done })
}

func (s *supervisor) await(limit time.Duration, text string, end func(*worker) <-chan struct{}) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var all error
	for _, w := range slices.Concat(s.workers, s.leaving) {
		select {
		case <-end(w):
			continue
		default:
		}
		select {
		case <-end(w):
		case <-timer.C:
			timer.Reset(0) // the others get no more time
			all = errors.Join(all, fmt.Errorf("camera %s %s", w.name, text))
		}
	}
	return all
}

// faults returns the failures that ended workers.
func (s *supervisor) faults() error {
	var all error
	for _, w := range s.workers {
		w.mutex.Lock()
		if w.ended() && w.fault != nil {
			all = errors.Join(all, fmt.Errorf("camera %s: %w", w.name, w.fault))
		}
		w.mutex.Unlock()
	}
	return all
}
