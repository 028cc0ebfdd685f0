package outbox

import (
	"errors"
	"time"
)

// Item is an event to send. It stays in the queue until Done or Discard.
type Item struct {
	Key    uint64
	Camera string
	Data   []byte // must not be changed
	// Replayed is false only for an event that was added during the present connection, within the last five seconds,
	// and was not sent before.
	Replayed bool
}

const cannotBeRead = "an event in the outbox cannot be read and is dropped"

// Connect records that there is a connection: events that are added from now on are fresh.
func (q *Queue) Connect() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.connections++
	q.connection = q.connections
}

// Disconnect records that the connection has ended: no event is fresh any more, and those in flight wait again.
func (q *Queue) Disconnect() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.connection = 0
	q.schedule.demote(time.Time{}, true)
	for _, e := range q.entries {
		if e.state == inFlight {
			q.toBacklog(e)
		}
	}
}

// toBacklog returns an entry in flight to the backlog.
func (q *Queue) toBacklog(e *entry) {
	e.state = backlog
	if e.durable() && !e.writing {
		e.data = nil
	}
	q.schedule.push(e)
}

// Ready returns a channel that has a token when something new may be sent.
func (q *Queue) Ready() <-chan struct{} { return q.ready }

// Next returns the event that should be sent now. If ok is false, the caller tries again after wait or, if wait is 0,
// after Ready. A publisher sets last when it ends: then events that would be lost with the process do not wait for
// their turn.
func (q *Queue) Next(last bool) (item Item, wait time.Duration, ok bool) {
	for {
		e, wait := q.choose(last)
		if e == nil {
			return Item{}, wait, false
		}
		if item, ok := q.load(e); ok {
			return item, 0, true
		}
	}
}

// choose puts the next entry in flight, or returns nil and how long to wait.
func (q *Queue) choose(last bool) (e *entry, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.schedule.turns) == 0 {
		return nil, 0
	}
	now := time.Now()
	q.schedule.demote(now.Add(-q.timing.fresh), false)
	if e = q.schedule.next(firstFresh); e == nil {
		retry := now
		if last && q.atRisk() > 0 {
			retry = now.Add(maxRetry)
		} else if wait = q.drainAt.Sub(now); wait > 0 {
			return nil, wait
		}
		if e = q.schedule.next(firstOfBacklog(retry)); e == nil {
			return nil, q.timing.retry
		}
		q.drainAt = now.Add(time.Duration(float64(time.Second) / q.cfg.DrainRate))
		e.connection = 0 // it is sent as replayed
	}
	q.schedule.remove(e)
	e.state = inFlight
	return e, 0
}

// load reads the data of an entry in flight. It returns false if it cannot.
func (q *Queue) load(e *entry) (Item, bool) {
	data, err := q.read(e)
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case e.state == removed: // the file turned out to be corrupt meanwhile
		return Item{}, false
	case errors.Is(err, errDamaged):
		q.log.Warn().Err(err).Str("camera", e.camera).Msg(cannotBeRead)
		q.drop(e, corrupt)
		return Item{}, false
	case err != nil: // the disk may recover, or the event may be salvaged
		q.readFailed(e, err)
		e.retryAt = time.Now().Add(q.timing.retry)
		q.toBacklog(e)
		return Item{}, false
	}
	e.data = data
	return Item{Key: e.key, Camera: e.camera, Data: data, Replayed: e.connection == 0}, true
}

// readFailed logs that an entry could not be read. If the present file is corrupt, the writer salvages it.
func (q *Queue) readFailed(e *entry, err error) {
	q.readLog.Warn().Err(err).Msg("the outbox cannot be read; it is tried again")
	if errors.Is(err, errCorrupt) && e.store == q.store {
		q.fileCorrupt = true
		signal(q.work)
	}
}

// read returns the data of an entry from the store that holds it at that time.
func (q *Queue) read(e *entry) ([]byte, error) {
	for {
		q.mu.Lock()
		data, from, key := e.data, e.store, e.storeKey
		q.mu.Unlock()
		if data != nil || from == nil {
			return data, nil
		}
		data, err := from.read(key) // without the lock: the disk may be slow
		q.mu.Lock()
		moved := e.store != from || e.storeKey != key
		q.mu.Unlock()
		if err == nil || !moved {
			return data, err
		}
	}
}

// Done removes an event that the broker has acknowledged. Without such an event it does nothing.
func (q *Queue) Done(key uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.entries[key]; e != nil {
		q.accept(e)
		q.stats.Delivered++
		if e.connection != 0 {
			q.stats.Latencies.add(time.Since(e.arrived))
		}
		q.remove(e)
	}
}

// Discard drops an event that turned out to be damaged.
func (q *Queue) Discard(key uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.entries[key]; e != nil {
		q.drop(e, corrupt)
	}
}

// Requeue returns an event in flight to the backlog, because the broker refuses it. It is not sent again before wait
// has passed. If camera is true, all events of its camera wait that long.
func (q *Queue) Requeue(key uint64, wait time.Duration, camera bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.entries[key]
	if e == nil || e.state != inFlight {
		return
	}
	until := time.Now().Add(wait)
	if !camera {
		q.putLast(e, until)
	}
	q.toBacklog(e)
	if camera {
		q.schedule.cameras[e.camera].pausedUntil = until
	}
}

// putLast makes an entry the last of its camera, and lets it wait. It must not be in the schedule.
func (q *Queue) putLast(e *entry, until time.Time) {
	q.lastOrder++
	e.order, e.retryAt = q.lastOrder, until
}

const (
	maxFailures = 3 // connections that an event may cost before it goes to the end of the backlog
	maxRetry    = 10 * time.Minute
)

// RecordFailure records that a connection ended while an event was the oldest in flight. A broker may close the
// connection because of an event. So that it does not block all others, from the third time on it goes behind them and
// waits, up to ten minutes. RecordFailure reports whether it did.
func (q *Queue) RecordFailure(key uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.entries[key]
	if e == nil {
		return false
	}
	if e.failures++; e.failures < maxFailures {
		return false
	}
	q.schedule.remove(e)
	q.putLast(e, time.Now().Add(min(q.timing.retry<<min(e.failures-maxFailures, 10), maxRetry)))
	if e.state == fresh || e.state == backlog {
		q.schedule.push(e)
	}
	return true
}

// Pending returns the number of events that a publisher should wait for before it ends: those of this connection, and
// those that would be lost otherwise, but not those of a camera that Requeue has paused.
func (q *Queue) Pending() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, e := range q.entries {
		camera := q.schedule.cameras[e.camera]
		if camera != nil && camera.pausedUntil.After(now) && e.state != inFlight {
			continue
		}
		if e.state != backlog || !e.durable() {
			n++
		}
	}
	return n
}
