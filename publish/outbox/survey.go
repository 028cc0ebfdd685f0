package outbox

import (
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"os"
	"slices"
	"time"
)

const (
	// surveyTime bounds the search of a corrupt file, so that the start of the service is not delayed for long.
	surveyTime = 20 * time.Second
	// maxPieces bounds the number of entries that a survey keeps.
	maxPieces = 4 * maxEvents
)

// survey is the result of searching a corrupt file. An entry is taken if it is reachable, or if it lies where the tree
// cannot be read. An entry that the tree or the list of free pages proves to be removed is not taken. Where neither
// proves it, the entry is taken: a delivered event may be sent again, but none is lost.
type survey struct {
	cipher cipher.AEAD
	wanted func(record) bool // reports whether an entry is alive; nil: the file decides
	image  image
	tree   *tree // nil without a sound meta page
	older  bool  // one meta page is not sound: the last transaction may be missing from the tree
	free   map[uint64]bool
	tally  tally
	tallyN uint64 // transaction of the tally; 0 for none
	clock  time.Duration
	proof  []byte

	pieces   []piece
	doubtful []piece // on free pages, in gaps of the tree
	sums     map[[sha256.Size]byte]bool
	born     time.Duration // clock of the youngest entry
	last     uint64        // highest key
	opened   bool          // an entry was sealed with the key
	complete bool          // the file was searched to its end
	certain  uint64        // pieces that were not doubtful
}

// surveyFile searches a file until a time.
func surveyFile(file io.ReaderAt, size int64, key cipher.AEAD, wanted func(record) bool, until time.Time) *survey {
	s := &survey{cipher: key, wanted: wanted, sums: map[[sha256.Size]byte]bool{}}
	s.image = image{file: file, size: size, page: int64(os.Getpagesize())}
	known := map[int64]bool{}
	if metas := s.image.metas(); len(metas) > 0 {
		s.older = len(metas) < 2
		s.walk(newest(metas), known)
	}
	search := scanner{
		image: s.image, known: known, visit: s.offer, about: s.note, until: until, sealed: key != nil,
		decode: func(key uint64, value []byte) (record, error) { return decode(key, value, s.cipher) },
	}
	s.complete = search.scan() && len(s.pieces) < maxPieces
	s.certain = uint64(len(s.pieces))
	if s.tallyN > 0 && uint64(len(s.pieces)) < s.tally.count {
		for _, p := range s.doubtful {
			if r, err := s.record(p); err == nil {
				s.take(p, r)
			}
		}
	}
	slices.SortStableFunc(s.pieces, func(a, b piece) int { return compare(a.key, b.key) })
	return s
}

// walk takes the entries that are reachable from a meta page, and reads its list of free pages.
func (s *survey) walk(m meta, known map[int64]bool) {
	s.tree = &tree{image: s.image, cipher: s.cipher, visit: func(p piece, r record) {
		known[p.at] = true
		if s.wanted == nil || s.wanted(r) {
			s.take(p, r)
		}
	}}
	s.tree.walk(m)
	for name, value := range s.tree.about {
		s.note(name, value)
	}
	if page, ok := s.image.run(m.freelist, freelistPage); ok {
		s.free, _ = parseFreelist(page)
	}
}

// note records a value of the first bucket. Of several copies the newest is used.
func (s *survey) note(name string, value []byte) {
	switch name {
	case countKey:
		if t, tx, ok := parseTally(value); ok && tx > s.tallyN && t.count <= maxPieces {
			s.tally, s.tallyN = t, tx
		}
	case clockKey:
		if at, ok := parseClock(value); ok {
			s.clock = max(s.clock, at)
		}
	case proofKey:
		s.proof = slices.Clone(value)
	}
}

// offer takes a found entry, if it may be alive.
func (s *survey) offer(p piece, r record) {
	switch {
	case s.wanted != nil:
		if s.wanted(r) {
			s.take(p, r)
		}
	case s.tree == nil, s.older && s.treeTally() > 0 && p.key > s.treeTally():
		s.take(p, r)
	case !s.tree.inGap(p.key):
	case !s.tree.damaged[p.key] && s.free[uint64(p.at/s.image.page)]: //nolint:gosec // not negative
		if len(s.doubtful) < maxPieces {
			s.doubtful = append(s.doubtful, p)
		}
	default:
		s.take(p, r)
	}
}

// treeTally returns the highest key at the transaction of the tree, or 0 if it is unknown.
func (s *survey) treeTally() uint64 {
	t, _, _ := parseTally(s.tree.about[countKey])
	return t.last
}

// take takes an entry once, whatever its key.
func (s *survey) take(p piece, r record) {
	sum := sha256.Sum256(append(append(binary.BigEndian.AppendUint64(nil, uint64(len(r.camera))), r.camera...),
		r.data...))
	if s.sums[sum] || len(s.pieces) >= maxPieces {
		return
	}
	s.sums[sum] = true
	s.pieces = append(s.pieces, p)
	s.born, s.last = max(s.born, r.born), max(s.last, p.key)
	s.opened = s.opened || s.cipher != nil
}

// lost returns the maximum number of entries that could not be salvaged, and whether it is known.
func (s *survey) lost() (uint64, bool) {
	switch {
	case s.tallyN > 0:
		return s.tally.count - min(s.certain, s.tally.count), true
	case s.tree != nil && len(s.tree.gaps) == 0:
		return s.unrecovered(), true
	}
	return 0, false
}

// unrecovered counts the damaged entries that were not found in another place.
func (s *survey) unrecovered() (n uint64) {
	elsewhere := map[uint64]bool{}
	for _, p := range s.pieces {
		elsewhere[p.key] = true
	}
	for key := range s.tree.damaged {
		if !elsewhere[key] {
			n++
		}
	}
	return n
}

// now returns the value of the clock. A value that would make all salvaged entries too old is ignored.
func (s *survey) now(maxAge time.Duration) time.Duration {
	switch {
	case s.born == 0 && s.clock == 0:
		return firstClock
	case s.clock < s.born || s.clock-s.born > maxAge:
		return s.born
	}
	return s.clock
}

// record reads the record of a piece.
func (s *survey) record(p piece) (record, error) {
	return decode(p.key, s.image.read(make([]byte, p.size), p.at), s.cipher)
}
