package outbox

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

var (
	// ErrFull is returned for an event that did not get in, or went at once: the box is full, and its score is the lowest.
	ErrFull = errors.New("outbox is full")
	// ErrHeld is returned for an event that is held in memory because the disk does not take it.
	ErrHeld = errors.New("event is held in memory: the disk does not take it")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("outbox is closed")
)

// timing is what tests change.
type timing struct {
	end    time.Duration // maximum wait of Close for the disk
	save   time.Duration // maximum wait of Add for the disk; the pipeline stops meanwhile
	tidy   time.Duration // between commits of deliveries, and between attempts on a failing disk
	open   time.Duration // maximum time between attempts to open the file
	change time.Duration // maximum wait of Reconfigure
	fresh  time.Duration // how long an event counts as fresh
	rest   time.Duration // before an event that ended several connections is sent again; doubles each time
	grace  time.Duration // after the start, in which nothing expires
}

func defaultTiming() timing {
	return timing{
		end: 2 * time.Second, save: 500 * time.Millisecond, tidy: 500 * time.Millisecond, open: 10 * time.Second,
		change: 10 * time.Second, fresh: 5 * time.Second, rest: time.Second, grace: time.Hour,
	}
}

// heldBytes bounds what is held in memory while the disk takes nothing.
const heldBytes = 16 << 20

// firstOrder is the place in the backlog of the first event of a run. Events of an earlier run come before it, even if
// they are found later.
const firstOrder = 1 << 40

// Box holds events. Its methods may be called from any goroutine, but Connect to Disconnect belong to one publisher at a
// time: the box outlives publishers, and what one has left the next one sends.
type Box struct {
	timing timing
	log    zerolog.Logger

	work    chan struct{} // something must be written now
	wake    chan struct{} // something may be sent
	changes chan *change
	quit    chan struct{}
	done    chan struct{}

	mu       sync.Mutex
	cfg      Config
	limit    int64 // of bytes
	store    store // the present one; only keep replaces it
	clock    clock
	closed   bool
	err      error // of closing the store
	nextKey  uint64
	lastSlot uint64 // highest key in the present store
	order    uint64
	early    uint64 // the lowest order
	link     uint64 // number of the present connection, 0 for none
	links    uint64 // connections so far
	entries  map[uint64]*entry
	unsaved  map[uint64]*entry  // entries that are in no store, including those being written
	removed  map[store][]uint64 // keys that are to be deleted from a store
	bytes    int64
	lanes    lanes
	drainAt  time.Time // when the next event of the backlog may be sent
	failing  bool      // the last commit failed, or takes too long
	// stranded says that the file was torn and a new one cannot be begun.
	stranded bool
	corrupt  bool // a read found that the present file is corrupt
	fullLog  limiter
	readLog  limiter
	stats    Stats

	// Used by keep only.
	attempt     attempt
	pause       time.Time // no entry moves before: a read failed
	pauseRescue time.Time // no new file is begun before: the last attempt failed
	moving      []*entry  // entries in other stores than the present one, by key
	formers     []*former
	unreachable []string // directories with events that cannot be carried over
}

// Open opens the outbox, with the events of an earlier run, in this directory or in the one that it used. A disk that
// cannot be written is not an error: events are held in memory until the file can be opened. An error is a permanent
// fault: another program uses the directory, the key is wrong or its file invalid, or the files belong to another user.
func Open(cfg Config, log zerolog.Logger) (*Box, error) { return open(cfg, log, defaultTiming()) }

func open(cfg Config, log zerolog.Logger, t timing) (*Box, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	b := &Box{
		cfg: cfg, timing: t, log: log, store: memory{}, clock: clock{base: firstClock, started: time.Now()},
		limit: cfg.limit(), order: firstOrder, early: firstOrder,
		work: make(chan struct{}, 1), wake: make(chan struct{}, 1), changes: make(chan *change),
		quit: make(chan struct{}), done: make(chan struct{}),
		entries: map[uint64]*entry{}, unsaved: map[uint64]*entry{}, removed: map[store][]uint64{},
		lanes: lanes{of: map[string]*lane{}},
	}
	if cfg.Store == Disk {
		if err := b.openFirst(); err != nil {
			return nil, fmt.Errorf("outbox: %w", err)
		}
	}
	b.openFormers()
	go b.keep()
	return b, nil
}

// Event is what Add takes.
type Event struct {
	Camera string
	Score  float64
	Data   []byte // must not be changed afterwards
}

// Add puts an event into the box. nil means that it is in the store, ErrHeld that it is in memory for now, ErrFull and
// ErrClosed that it is not there. It waits for the disk, but half a second at most.
func (b *Box) Add(event Event) error {
	e, settled, err := b.enter(event)
	if err != nil {
		return err
	}
	timer := time.NewTimer(b.timing.save)
	defer timer.Stop()
	select {
	case <-settled:
	case <-timer.C:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case e.place == gone && !e.counted:
		return ErrFull
	case e.counted: // saved, and perhaps delivered already
		return nil
	case e.place == pending: // the disk hangs
		b.troubled(errSlow)
		b.hold(e)
	}
	return ErrHeld
}

// enter makes an entry of the event, and room for it. Other than after its return the channel ends when the entry is
// saved, held or gone.
func (b *Box) enter(event Event) (*entry, <-chan struct{}, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, nil, ErrClosed
	}
	b.nextKey++
	e := &entry{
		key: b.nextKey, camera: event.Camera, score: event.Score, born: b.clock.now(), arrived: time.Now(), link: b.link,
		data: event.Data, size: len(event.Data), bytes: b.store.charge(len(event.Data)), settled: make(chan struct{}),
	}
	settled := e.settled
	if !b.makeRoom(e) {
		return nil, nil, ErrFull
	}
	b.entries[e.key], b.unsaved[e.key] = e, e
	b.bytes += e.bytes
	if b.failing {
		b.hold(e)
	}
	poke(b.work)
	return e, settled, nil
}

// Durable says whether events outlive the process.
func (b *Box) Durable() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.durable()
}

func (b *Box) durable() bool { return b.cfg.Store == Disk }

// Close writes what is to be written and closes the store. Its error says how many events are lost by that. A disk that
// hangs is given up after some seconds.
func (b *Box) Close() error {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.quit)
	}
	b.mu.Unlock()
	select {
	case <-b.done:
		return b.err
	case <-time.After(b.timing.end):
		return fmt.Errorf("outbox: %w: it was left behind open", errSlow)
	}
}

// atRisk returns the number of events that would end with the process.
func (b *Box) atRisk() (n int) {
	if b.durable() && len(b.unsaved) == 0 && len(b.formers) == 0 && b.store.durable() {
		return 0
	}
	for _, e := range b.entries {
		if !e.durable() {
			n++
		}
	}
	return n
}

// lowest is the entry of the lowest score, the oldest of equals, of those that are not in flight; or nil.
func (b *Box) lowest(of map[uint64]*entry) *entry {
	var found *entry
	for e := range maps.Values(of) {
		if e.place == inFlight || e.place == gone {
			continue
		}
		if found == nil || worse(e, found) < 0 {
			found = e
		}
	}
	return found
}

// poke puts the one token into a channel that holds one: more would say nothing more.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// sorted returns the entries by key.
func sorted(of map[uint64]*entry) []*entry { return slices.SortedFunc(maps.Values(of), byKey) }

func byKey(a, b *entry) int { return compare(a.key, b.key) }
