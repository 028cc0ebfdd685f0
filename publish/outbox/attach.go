package outbox

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// attempt is the state of the attempts to open the file.
type attempt struct {
	at     time.Time
	pause  time.Duration
	reason string // last logged reason
}

// openFirst opens the file at the start. If that fails, events are held in memory until openLater succeeds.
func (b *Box) openFirst() error {
	d, c, err := openDisk(b.cfg, b.log)
	if err == nil {
		b.use(d, c)
		return nil
	}
	if refuses(err) {
		return err
	}
	b.store, b.failing = &absent{}, true
	b.postpone(err)
	return nil
}

// postpone logs why the file cannot be opened, if the reason has changed, and plans the next attempt.
func (b *Box) postpone(err error) {
	a := &b.attempt
	a.pause = min(max(2*a.pause, b.timing.tidy), b.timing.open)
	a.at = time.Now().Add(a.pause)
	if text := err.Error(); text != a.reason {
		a.reason = text
		b.log.Error().Err(err).Str("dir", b.cfg.Dir).Str("held_at_most", fmt.Sprintf("%d MiB", heldBytes>>20)).
			Msg("the outbox cannot be opened: events are held in memory and written later; it is tried again")
	}
}

// openLater opens the file if it could not be opened before, or if another file has taken its place.
func (b *Box) openLater() {
	if time.Now().Before(b.attempt.at) {
		return
	}
	if d, is := b.store.(*diskStore); is && d.displaced() {
		b.replaceDisplaced(d)
		return
	}
	if _, is := b.store.(*absent); !is {
		return
	}
	d, c, err := openDisk(b.cfg, b.log)
	if err != nil {
		b.postpone(err)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.use(d, c)
	b.log.Info().Str("dir", b.cfg.Dir).Int("held", len(b.unsaved)).
		Msg("the outbox could be opened: it stores what was held in memory")
}

// replaceDisplaced opens the file that has the name of the outbox now, or a new one. The entries of the old file, which
// can still be read, move there, except those that are there already because the disk was mounted again.
func (b *Box) replaceDisplaced(old *diskStore) {
	held := []*os.File{old.lock}
	for _, f := range b.formers {
		held = append(held, f.disk.lock)
	}
	d, c, err := openDiskHolding(b.cfg, held, b.log)
	if err != nil {
		b.postpone(err)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log.Error().Str("file", d.path).Int("events", len(b.entries)).
		Msg("the file of the outbox was removed or replaced while it was used: what waits is written to a new one")
	old.detached.Store(true)
	there := map[uint64]found{}
	for _, r := range c.records {
		there[r.key] = r
	}
	for _, e := range b.entries {
		r, is := there[e.slot]
		if is && e.home == store(old) && r.camera == e.camera && r.score == e.score && r.size == e.size {
			e.home = d
			delete(there, e.slot)
		}
	}
	c.records = slices.DeleteFunc(c.records, func(r found) bool { _, is := there[r.key]; return !is })
	b.replaceStore(d, c.clock, c.tally.last)
	b.failing = d.readOnly != nil
	b.admit(c, d, c.clock)
	b.trim()
}

// use makes a newly opened file the present store.
func (b *Box) use(d *diskStore, c content) {
	b.store, b.lastSlot, b.attempt = d, c.tally.last, attempt{}
	b.turnClock(c.clock)
	b.admit(c, d, c.clock)
	if n := len(c.records) + len(c.damaged); n > 0 || c.lost > 0 {
		b.log.Info().Int("events", len(c.records)).Int("damaged", len(c.damaged)).Uint64("lost", c.lost).
			Msg("outbox has events of an earlier run")
	}
	if d.readOnly != nil {
		b.failing = true
		b.log.Error().Err(d.readOnly).Int("events", len(c.records)).
			Msg("the outbox can only be read: what it holds is sent, and new events are held in memory; " +
				"mount the disk for writing")
	}
	b.trim()
}

// turnClock sets the clock of the outbox. The ages of entries do not change.
func (b *Box) turnClock(to time.Duration) {
	by := to - b.clock.now()
	b.clock.base += by
	for _, e := range b.entries {
		e.born = max(0, e.born+by)
	}
}

// admit adds the entries of a file. now is the clock of the file.
func (b *Box) admit(c content, home store, now time.Duration) {
	b.stats.Restored += uint64(len(c.records)+len(c.damaged)) + c.lost
	b.stats.Dropped.Corrupt += uint64(len(c.damaged)) + c.lost
	if len(c.damaged) > 0 {
		b.removed[home] = append(b.removed[home], c.damaged...)
	}
	b.early -= uint64(len(c.records))
	own := b.clock.now()
	for i, r := range c.records {
		b.nextKey++
		e := &entry{
			key: b.nextKey, order: b.early + uint64(i), camera: r.camera, score: r.score, //nolint:gosec // an index
			born: min(max(0, own-(now-r.born)), own), size: r.size, bytes: b.store.charge(r.size),
			home: home, slot: r.key, counted: true, place: backlog,
		}
		b.entries[e.key] = e
		b.bytes += e.bytes
		b.lanes.push(e)
		if home != b.store {
			b.moving = append(b.moving, e)
		}
	}
	poke(b.wake)
}
