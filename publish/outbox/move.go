package outbox

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// change is a configuration that Reconfigure passes to the goroutine of keep.
type change struct {
	cfg    Config
	result chan error

	begun, abandoned bool // guarded by Box.mu: it is being applied; Reconfigure has stopped waiting
}

// Reconfigure applies another configuration. If it stores events elsewhere (dir, store, key_file), the new store is
// opened beside the old one. New events go there at once, and those that wait are carried over with their age, some at
// a time. They can be sent meanwhile, and a kill loses none of them unless store is Memory. The old file is removed
// when it is empty. On an error nothing has changed.
func (b *Box) Reconfigure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	c := &change{cfg: cfg, result: make(chan error, 1)}
	timer := time.NewTimer(b.timing.change)
	defer timer.Stop()
	select {
	case b.changes <- c:
	case <-b.done:
		return ErrClosed
	case <-timer.C:
		return fmt.Errorf("outbox: %w: nothing was changed", errSlow)
	}
	select {
	case err := <-c.result:
		return err
	case <-timer.C:
	}
	b.mu.Lock()
	c.abandoned = !c.begun
	b.mu.Unlock()
	if c.abandoned {
		return fmt.Errorf("outbox: %w: nothing was changed", errSlow)
	}
	return <-c.result
}

// begin reports whether the change is still wanted. The caller holds Box.mu.
func (c *change) begin() bool {
	c.begun = !c.abandoned
	return c.begun
}

// apply carries out a change, on the goroutine of keep.
func (b *Box) apply(c *change) {
	err := b.reconfigure(c)
	if err != nil {
		err = fmt.Errorf("outbox: %w", err)
	}
	c.result <- err
}

func (b *Box) reconfigure(c *change) error {
	if b.cfg.Store != c.cfg.Store || c.cfg.Store == Disk && !sameDir(b.cfg.Dir, c.cfg.Dir) {
		return b.move(c)
	}
	key, err := readKey(c.cfg.KeyFile)
	if err != nil {
		return err
	}
	b.mu.Lock()
	wanted := c.begin()
	b.mu.Unlock()
	if !wanted {
		return errSlow
	}
	d, onDisk := b.store.(*diskStore)
	if onDisk && b.cfg.KeyFile != c.cfg.KeyFile {
		if err := d.reseal(key, b.clock.now()); err != nil {
			return fmt.Errorf("seal the outbox with another key: %w", err)
		}
		b.log.Info().Bool("sealed", key != nil).Msg("the outbox was written anew with another key")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cfg, b.limit = c.cfg, c.cfg.limit()
	if onDisk {
		d.cfg, d.max = c.cfg, int64(c.cfg.MaxMiB)<<20
	}
	b.trim()
	return nil
}

// move replaces the store.
func (b *Box) move(c *change) error {
	next, held, err := b.openNext(c.cfg)
	if err != nil {
		return err
	}
	b.recordLocations(c.cfg, b.cfg)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !c.begin() {
		return fmt.Errorf("%w %w", errSlow, next.close())
	}
	from := b.cfg
	b.cfg, b.limit = c.cfg, c.cfg.limit()
	b.replaceStore(next, held.clock, held.tally.last)
	b.log.Info().Str("from", from.location()).Str("to", c.cfg.location()).Int("events", len(b.moving)+len(b.unsaved)).
		Int("found_there", len(held.records)).Msg("the outbox moves: what waits is carried over")
	b.admit(held, next, held.clock)
	b.trim()
	return nil
}

// replaceStore makes next the present store, and entries of the former one move there. now is the clock of next.
func (b *Box) replaceStore(next store, now time.Duration, last uint64) {
	before := b.store
	if old, is := before.(*diskStore); is {
		b.formers = append(b.formers, &former{disk: old, clock: b.clock})
	} else {
		delete(b.removed, before)
	}
	b.formers = slices.DeleteFunc(b.formers, func(f *former) bool { return store(f.disk) == next })
	b.store, b.lastSlot = next, last
	b.attempt, b.failing, b.stranded = attempt{}, false, false
	b.turnClock(now)
	b.bytes, b.moving = 0, nil
	for _, e := range b.entries {
		e.bytes = next.charge(e.size)
		b.bytes += e.bytes
		if e.home != nil && e.home != next {
			b.moving = append(b.moving, e)
		}
	}
	slices.SortFunc(b.moving, byKey)
	poke(b.work)
}

// openNext opens the store that a configuration names.
func (b *Box) openNext(cfg Config) (store, content, error) {
	if cfg.Store == Memory {
		return memory{}, content{clock: b.clock.now()}, nil
	}
	for _, f := range b.formers {
		// The same directory: the configuration changes back before all events were carried over.
		if f.disk.detached.Load() || !sameDir(f.disk.cfg.Dir, cfg.Dir) {
			continue
		}
		key, err := readKey(cfg.KeyFile)
		if err == nil && f.disk.cfg.KeyFile != cfg.KeyFile {
			err = f.disk.reseal(key, f.clock.now())
		}
		if err != nil {
			return nil, content{}, err
		}
		f.disk.cfg, f.disk.max = cfg, int64(cfg.MaxMiB)<<20
		return f.disk, content{clock: f.clock.now(), tally: f.disk.tally}, nil
	}
	d, c, err := openDisk(cfg, b.log)
	if err != nil {
		return nil, c, err
	}
	if d.readOnly != nil {
		err := unwritable(cfg.Dir, d.readOnly)
		_ = d.close()
		return nil, c, err
	}
	return d, c, nil
}

// location returns where events are stored, for the log.
func (c Config) location() string {
	if c.Store == Memory {
		return Memory
	}
	return c.Dir
}

// fetch reads the data of entries that move. Damaged entries are dropped; those that cannot be read for another reason
// move later.
func (b *Box) fetch(changes batch, entries []*entry) (batch, []*entry) {
	put, good, later := changes.put[:0], entries[:0], []*entry(nil)
	for i, e := range entries {
		r, err := changes.put[i], error(nil)
		if r.data == nil && e.home != nil {
			r.data, err = e.home.read(e.slot)
		}
		if err == nil {
			put, good = append(put, r), append(good, e)
		} else if !b.dropDamaged(e, err) {
			later = append(later, e)
		}
	}
	if len(later) > 0 {
		b.moving, b.pause = slices.Concat(later, b.moving), time.Now().Add(b.timing.rest)
	}
	changes.put = put
	return changes, good
}

// dropDamaged drops an entry that could not be read if it is damaged, and reports whether the entry is gone.
func (b *Box) dropDamaged(e *entry, err error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.writing = false
	if e.place == gone {
		return true
	}
	f := b.formerOf(e)
	if !errors.Is(err, errCorrupt) && !errors.Is(err, errTorn) {
		b.unreadable(err)
		return false
	}
	b.log.Warn().Err(err).Str("camera", e.camera).Msg("an event in the outbox cannot be read and is dropped")
	if f != nil {
		f.damaged++
	}
	b.drop(e, corrupt)
	return true
}

// anyAtRiskMoves reports whether something that moves would be lost with the process.
func (b *Box) anyAtRiskMoves() bool {
	return b.store.durable() && slices.ContainsFunc(b.moving,
		func(e *entry) bool { return e.place != gone && !e.durable() })
}
