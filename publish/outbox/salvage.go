package outbox

import (
	"cmp"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// salvageTime bounds the search of a corrupt file, so that the start of the service is not delayed for long.
	salvageTime = 20 * time.Second
	// maxSalvaged bounds the number of records that a search keeps.
	maxSalvaged = 4 * maxEvents
)

// salvage replaces a corrupt file by one with the records that are left, and opens that. The old file is renamed. A
// kill in between leaves the corrupt file in place, or the complete new file beside it.
func (d *diskStore) salvage(cause error) (*search, error) {
	file, size, err := openRegular(d.path)
	if err = ignoreMissing(err); err != nil && !errors.Is(err, errNotRegular) {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	var s *search
	err = guard(func() error {
		s = searchFile(file, size, d.key, time.Now().Add(salvageTime))
		return nil
	})
	if err == nil && s.proof != nil && !s.unsealed {
		err = checkKey(s.proof, d.key)
	}
	if err != nil {
		return nil, err
	}
	after, err := d.build(d.key, s.present(d.cfg.MaxAge), s.lastNumber(), s.records())
	if err != nil {
		return nil, err
	}
	aside, err := d.setAside()
	if err != nil {
		return nil, err
	}
	if err := d.install(); err != nil {
		return nil, err
	}
	d.tally = after
	d.report(s, cause, aside)
	return s, d.open(false)
}

func (d *diskStore) report(s *search, cause error, aside string) {
	event := d.log.Error().Err(cause).Str("file", aside).Int("saved", len(s.locations))
	if lost, certain := s.lost(); certain {
		event = event.Uint64("lost", lost)
	} else {
		event = event.Str("lost", "unknown")
	}
	if !s.complete {
		event = event.Str("searched", fmt.Sprintf("in part: stopped after %v", salvageTime))
	}
	event.Msg("the outbox is corrupt or is not one: what could be read of it is in a new file, " +
		"and the corrupt one was set aside")
}

// setAside renames the file, so that it can be examined. Only the last one is kept, because it holds faces and uses
// disk space.
func (d *diskStore) setAside() (string, error) {
	name := d.path + asideInfix + time.Now().UTC().Format("20060102T150405.000000000Z")
	if err := ignoreMissing(os.Rename(d.path, name)); err != nil {
		return "", fmt.Errorf("set a corrupt file aside: %w", err)
	}
	names, _ := filepath.Glob(d.path + asideInfix + "*") //nolint:errcheck // the pattern is sound
	for _, old := range names {
		if old != name {
			_ = os.Remove(old)
		}
	}
	return name, nil
}

// search is the result of searching a corrupt file. A record is taken if it is reachable, or if it lies where the tree
// cannot be read. One that the tree or the list of free pages proves to be deleted is not taken. Where neither proves
// it, the record is taken: a delivered event may be sent again, but none is lost.
type search struct {
	key   cipher.AEAD
	tree  *tree
	known map[int64]bool // offsets of the values that were found

	locations []location // of the records that were taken, by key
	doubtful  []location // on free pages, in gaps of the tree
	taken     map[[sha256.Size]byte]bool
	tally     tally
	tallyTx   uint64 // transaction of the tally; 0 for none
	clock     time.Duration
	proof     []byte
	youngest  time.Duration // clock of the youngest record
	last      uint64        // highest key
	unsealed  bool          // the key has opened a record
	complete  bool          // the file was searched to its end
	certain   uint64        // records that were not doubtful
}

// searchFile searches a file until a time.
func searchFile(file io.ReaderAt, size int64, key cipher.AEAD, until time.Time) *search {
	s := &search{key: key, known: map[int64]bool{}, taken: map[[sha256.Size]byte]bool{}}
	s.tree = readTree(file, size, key, func(l location, r record) {
		s.known[l.at] = true
		s.take(l, r)
	})
	for name, value := range s.tree.metadata {
		s.note(name, value)
	}
	scan := scanner{search: s, file: s.tree.file, until: until}
	s.complete = scan.scan() && len(s.locations) < maxSalvaged
	s.certain = uint64(len(s.locations))
	if s.tallyTx > 0 && s.certain < s.tally.count {
		for _, l := range s.doubtful {
			if r, err := s.read(l); err == nil {
				s.take(l, r)
			}
		}
	}
	slices.SortStableFunc(s.locations, func(a, b location) int { return cmp.Compare(a.key, b.key) })
	return s
}

// note stores a value of metadataBucket. Of several copies the newest is used.
func (s *search) note(name string, value []byte) {
	switch name {
	case tallyKey:
		if t, tx, ok := parseTally(value); ok && tx > s.tallyTx && t.count <= maxSalvaged {
			s.tally, s.tallyTx = t, tx
		}
	case clockKey:
		if at, ok := parseClock(value); ok {
			s.clock = max(s.clock, at)
		}
	case proofKey:
		s.proof = slices.Clone(value)
	}
}

// offer takes a record that is not reachable, if it may still wait.
func (s *search) offer(l location, r record) {
	t := s.tree
	page := uint64(l.at / t.file.page) //nolint:gosec // not negative
	switch {
	case t.metas == 1 && t.lastNumber() > 0 && l.key > t.lastNumber():
		s.take(l, r) // it is of the last transaction, which the tree may lack
	case !t.inGap(l.key): // deleted
	case !t.damaged[l.key] && t.free[page]:
		if len(s.doubtful) < maxSalvaged {
			s.doubtful = append(s.doubtful, l)
		}
	default:
		s.take(l, r)
	}
}

// lastNumber returns the highest key that was used up to the transaction of the tree, or 0 if it is unknown.
func (t *tree) lastNumber() uint64 {
	known, _, _ := parseTally(t.metadata[tallyKey])
	return known.last
}

// take takes an event once, also if it was found with several keys.
func (s *search) take(l location, r record) {
	sum := sha256.Sum256(append(append(binary.BigEndian.AppendUint64(nil, uint64(len(r.camera))), r.camera...),
		r.data...))
	if s.taken[sum] || len(s.locations) >= maxSalvaged {
		return
	}
	s.taken[sum] = true
	s.locations = append(s.locations, l)
	s.youngest, s.last = max(s.youngest, r.created), max(s.last, l.key)
	s.unsealed = s.unsealed || s.key != nil
}

// lost returns the maximum number of records that could not be salvaged, and whether it is known.
func (s *search) lost() (n uint64, known bool) {
	switch {
	case s.tallyTx > 0:
		return s.tally.count - min(s.certain, s.tally.count), true
	case len(s.tree.gaps) > 0:
		return 0, false
	}
	elsewhere := map[uint64]bool{}
	for _, l := range s.locations {
		elsewhere[l.key] = true
	}
	for key := range s.tree.damaged {
		if !elsewhere[key] {
			n++
		}
	}
	return n, true
}

// present returns the value of the clock. A value that would make all salvaged records too old is ignored.
func (s *search) present(maxAge time.Duration) time.Duration {
	switch {
	case s.youngest == 0 && s.clock == 0:
		return firstClock
	case s.clock < s.youngest || s.clock-s.youngest > maxAge:
		return s.youngest
	}
	return s.clock
}

// lastNumber returns the highest key that was used, as far as it is known.
func (s *search) lastNumber() uint64 {
	if s.tally.last < 1<<62 { // above, the tally is damaged
		return s.tally.last
	}
	return 0
}

// records returns the records that were taken. Of several with the same key all but the first get another key.
func (s *search) records() iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		next := max(s.lastNumber(), s.last)
		for i, l := range s.locations {
			r, err := s.read(l)
			if i > 0 && l.key == s.locations[i-1].key {
				next++
				r.key = next
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func (s *search) read(l location) (record, error) {
	return decode(l.key, s.tree.file.read(make([]byte, l.size), l.at), s.key)
}
