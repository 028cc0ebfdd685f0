package outbox

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"
)

var (
	// ErrFull is returned for an event that was not added or was dropped at once: the outbox is full, and its score is
	// the lowest.
	ErrFull = errors.New("outbox is full")
	// ErrHeld is returned for an event that is held in memory because the disk does not take it.
	ErrHeld = errors.New("event is held in memory: the disk does not take it")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("outbox is closed")

	errSlow = errors.New("the disk takes too long")
)

// timing holds the durations that tests change.
type timing struct {
	end    time.Duration // maximum wait of Close for the disk
	save   time.Duration // maximum wait of Add for the disk; the pipeline stops meanwhile
	tidy   time.Duration // between commits of deliveries, and between attempts on a failing disk
	open   time.Duration // maximum time between attempts to open the file
	change time.Duration // maximum wait of Reconfigure
	fresh  time.Duration // for which an event is fresh
	retry  time.Duration // before an event that ended several connections is sent again; doubles each time
	grace  time.Duration // after the start, in which nothing expires
}

func defaultTiming() timing {
	return timing{
		end: 2 * time.Second, save: 500 * time.Millisecond, tidy: 500 * time.Millisecond, open: 10 * time.Second,
		change: 10 * time.Second, fresh: 5 * time.Second, retry: time.Second, grace: time.Hour,
	}
}

// Queue is an outbox. Its methods may be called from any goroutine. The calls from Connect to Disconnect belong to one
// publisher at a time. A queue outlives publishers: the next one sends what the one before has left.
type Queue struct {
	timing timing
	log    zerolog.Logger

	work    chan struct{} // has a token when something must be written now
	ready   chan struct{} // has a token when something may be sent
	changes chan *change
	quit    chan struct{} // closed by Close
	done    chan struct{} // closed when the writer has ended
	err     error         // of the writer; valid after done

	// mu guards all fields below. Unexported methods that do not lock it expect it to be held.
	mu       sync.Mutex
	cfg      Config
	store    store // the present one; only the writer replaces it
	clock    clock
	closed   bool
	entries  map[uint64]*entry  // by key: all that are not removed
	unsaved  map[uint64]*entry  // those that are not in the present store, and removed ones that are being written
	removals map[store][]uint64 // keys that are to be deleted from a store
	usage    int64              // bytes: the sum over entries
	schedule schedule
	stats    Stats

	lastKey      uint64
	lastStoreKey uint64         // highest key in the present store
	lastOrder    int64          // of the events of this run, which begin above 0
	firstOrder   int64          // of all: events of an earlier run have 0 or less, even if they are found later
	connection   uint64         // number of the present connection, 0 for none
	connections  uint64         // so far
	drainAt      time.Time      // when the next event of the backlog may be sent
	diskFailing  bool           // the last commit failed, or takes too long
	fileCorrupt  bool           // a read or a commit found that the present file is corrupt
	fullLog      zerolog.Logger // as log, at most one line a second
	readLog      zerolog.Logger
}

// Open opens the outbox, with the events of an earlier run, in this directory or in the one that it used. A disk that
// cannot be written is not an error: events are held in memory until the file can be opened. An error is a permanent
// fault: the configuration is invalid, another program uses the directory, the key is wrong or its file invalid, or the
// files belong to another user. The caller closes the queue.
func Open(cfg Config, log zerolog.Logger) (*Queue, error) { return open(cfg, log, defaultTiming()) }

func open(cfg Config, log zerolog.Logger, t timing) (*Queue, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	sampled := func() zerolog.Logger { return log.Sample(&zerolog.BurstSampler{Burst: 1, Period: time.Second}) }
	q := &Queue{
		cfg: cfg, timing: t, log: log, fullLog: sampled(), readLog: sampled(),
		store: memoryStore{}, clock: clock{base: firstClock, started: time.Now()},
		work: make(chan struct{}, 1), ready: make(chan struct{}, 1), changes: make(chan *change),
		quit: make(chan struct{}), done: make(chan struct{}),
		entries: map[uint64]*entry{}, unsaved: map[uint64]*entry{}, removals: map[store][]uint64{},
		schedule: schedule{cameras: map[string]*cameraQueue{}},
	}
	w := &writer{Queue: q, openDelays: backoff.NewExponentialBackOff()}
	w.openDelays.InitialInterval, w.openDelays.MaxInterval = t.tidy, t.open
	if err := w.openStores(); err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	go w.run()
	return q, nil
}

// Event is what Add takes.
type Event struct {
	Camera string
	Score  float64
	Data   []byte // must not be changed after Add
}

// Add adds an event. nil means that it is in the store, ErrHeld that it is in memory for now, ErrFull and ErrClosed
// that it was not added. It waits for the disk, but half a second at most.
func (q *Queue) Add(event Event) error {
	e, decided, err := q.insert(event)
	if err != nil {
		return err
	}
	timer := time.NewTimer(q.timing.save)
	defer timer.Stop()
	select {
	case <-decided:
	case <-timer.C:
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case e.accepted: // it may be delivered already
		return nil
	case e.state == removed:
		return ErrFull
	case e.state == pending: // the disk hangs
		q.diskFailed(errSlow)
		q.enqueue(e)
	}
	return ErrHeld
}

// insert makes room for an event and adds it. It returns the channel entry.decided.
func (q *Queue) insert(event Event) (*entry, <-chan struct{}, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, nil, ErrClosed
	}
	q.lastKey++
	decided := make(chan struct{})
	e := &entry{
		key: q.lastKey, camera: event.Camera, score: event.Score, size: len(event.Data), data: event.Data,
		arrived: time.Now(), created: q.clock.now(), connection: q.connection,
		usage: q.cfg.usage(len(event.Data)), decided: decided,
	}
	if !q.makeRoom(e) {
		return nil, nil, ErrFull
	}
	q.entries[e.key], q.unsaved[e.key] = e, e
	q.usage += e.usage
	if q.diskFailing {
		q.enqueue(e)
	}
	signal(q.work)
	return e, decided, nil
}

// enqueue lets a pending entry wait to be sent, whether it is stored or only held.
func (q *Queue) enqueue(e *entry) {
	q.lastOrder++
	e.order, e.state = q.lastOrder, backlog
	if e.connection == q.connection && e.connection != 0 {
		e.state = fresh
	}
	q.schedule.push(e)
	e.decide()
	signal(q.ready)
}

// accept counts an entry as accepted, once.
func (q *Queue) accept(e *entry) {
	if !e.accepted {
		e.accepted = true
		q.stats.Accepted++
	}
}

// remove removes an entry from the queue, and from its store with the next commit.
func (q *Queue) remove(e *entry) {
	q.schedule.remove(e)
	e.state = removed
	delete(q.entries, e.key)
	q.usage -= e.usage
	if e.store != nil {
		q.removals[e.store] = append(q.removals[e.store], e.storeKey)
	}
	if !e.writing { // otherwise the writer does it after the commit
		delete(q.unsaved, e.key)
	}
	e.decide()
}

// diskFailed records that the disk does not take events, and logs the first time.
func (q *Queue) diskFailed(err error) {
	if !q.diskFailing {
		q.log.Error().Err(err).Int("events", q.atRisk()).
			Msg("disk takes no events: they are held in memory until it does; free some room, or mount it for writing")
	}
	q.diskFailing = true
}

// atRisk returns the number of events that would end with the process.
func (q *Queue) atRisk() (n int) {
	for _, e := range q.entries {
		if !e.durable() {
			n++
		}
	}
	return n
}

// Close commits the last changes and closes the store. Its error has the number of events that are lost with that. If
// the disk hangs, Close returns after two seconds, and the file stays open.
func (q *Queue) Close() error {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.quit)
	}
	q.mu.Unlock()
	select {
	case <-q.done:
		return q.err
	case <-time.After(q.timing.end):
		return fmt.Errorf("outbox: %w: it was left behind open", errSlow)
	}
}

// signal puts a token into a channel for one token, if there is none.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
