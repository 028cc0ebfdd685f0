package outbox

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"time"
)

const (
	scanStep  = 4 << 20 // bytes of a file that are searched at a time
	scanAhead = 1 << 20 // bytes read beyond them: the maximum size of an event whose element is lost
	maxValue  = 16 << 20
	maxSealed = 256 << 10 // of a sealed entry without an element
)

// scanner searches a file for entries and for the values of the first bucket. It tries every offset, not only pages.
type scanner struct {
	image  image
	decode func(key uint64, value []byte) (record, error)
	visit  func(p piece, r record) // called for each sound entry, with its place
	about  func(name string, value []byte)
	known  map[int64]bool // offsets of values that were visited
	sealed bool           // there is a key
	until  time.Time      // when the search ends at the latest

	window []byte
	start  int64 // of the window in the file
	steps  int
	late   bool
}

// piece is where the value of a sound entry is in a file.
type piece struct {
	key  uint64
	at   int64
	size int
}

// scan reports whether it came to the end of the file in time.
func (s *scanner) scan() bool {
	buffer := make([]byte, min(scanStep+scanAhead, s.image.size))
	for s.start = 0; s.start < s.image.size; s.start += scanStep {
		s.window = s.image.read(buffer, s.start)
		for at := 0; at < min(scanStep, len(s.window)); {
			step := s.search(at)
			if s.overdue(step) {
				return false
			}
			at += step
		}
	}
	return true
}

// overdue checks the time after every 64 KiB or so of work.
func (s *scanner) overdue(work int) bool {
	if s.steps += work; s.steps >= 1<<16 {
		s.steps = 0
		s.late = s.late || time.Now().After(s.until)
	}
	return s.late
}

// search tries one offset of the window and returns how far the next one is.
func (s *scanner) search(at int) int {
	b := s.window[at:]
	if len(b) < elementSize {
		return len(b)
	}
	if b[8] == 0 { // nothing begins here, nor before the next byte that is not zero
		return zeros(b[8:])
	}
	if b[9]|b[10]|b[11] == 0 && (b[8] == 8 || b[8] == 5) && b[0]|b[1]|b[2]|b[3] == 0 {
		s.element(at)
	}
	if !beginsEntry(b) || s.known[s.start+int64(at)+8] {
		return 1
	}
	if b[9] == plain {
		return s.entry(at)
	}
	return s.sealedEntry(at)
}

// beginsEntry reports whether a key (a number that counts from 1) and the head of a value may begin here.
func beginsEntry(b []byte) bool {
	return len(b) >= 10 && b[0]|b[1] == 0 && b[8] == entryVersion && b[9] <= sealed && binary.BigEndian.Uint64(b) != 0
}

// zeros returns the number of zero bytes at the beginning.
func zeros(b []byte) (n int) {
	for len(b) >= n+8 && binary.NativeEndian.Uint64(b[n:]) == 0 {
		n += 8
	}
	for n < len(b) && b[n] == 0 {
		n++
	}
	return n
}

// element visits the value of what may be an element of a leaf. bbolt writes the key and then the value.
func (s *scanner) element(at int) {
	b, order := s.window[at:], binary.NativeEndian
	keySize, size := int(order.Uint32(b[8:])), int64(order.Uint32(b[12:]))
	from := s.start + int64(at) + int64(order.Uint32(b[4:]))
	if size == 0 || size > maxValue || from+int64(keySize)+size > s.image.size {
		return
	}
	if keySize == 5 && size > 64 { // the values of the first bucket are short
		return
	}
	head := s.bytes(from, keySize+2)
	if len(head) < keySize+2 || keySize == 8 && (head[8] != entryVersion || head[9] > sealed) {
		return
	}
	if s.overdue(int(size)) {
		return
	}
	value := s.bytes(from+int64(keySize), int(size))
	if keySize == 5 {
		s.about(string(head[:5]), value)
		return
	}
	s.found(from+8, binary.BigEndian.Uint64(head), value)
}

func (s *scanner) found(at int64, key uint64, value []byte) bool {
	if s.known[at] {
		return true
	}
	r, err := s.decode(key, value)
	if err != nil {
		return false
	}
	s.known[at] = true
	s.visit(piece{key, at, len(value)}, r)
	return true
}

// entry visits what may be a key and an unsealed value whose element is lost. The value ends after a JSON object, where
// the checksum is right. entry returns the distance to the next offset to search.
func (s *scanner) entry(at int) int {
	const head = 8 + 6 // key, version, protection, checksum
	b := s.window[at:]
	if len(b) < head+bodyHead || b[head]&0x80 != 0 {
		return 1
	}
	key, want := binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[10:])
	from := head + bodyHead + int(binary.BigEndian.Uint16(b[head+16:]))
	if from >= len(b) || b[from] != '{' {
		return 1
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(crc32.Checksum(b[:8], table), table, b[head:from])
	for end := from; end < min(len(b), scanAhead); {
		next := bytes.IndexByte(b[end:min(len(b), scanAhead)], '}')
		if next < 0 {
			return 1
		}
		sum = crc32.Update(sum, table, b[end:end+next+1])
		end += next + 1
		if s.overdue(next + 1) {
			return 1
		}
		if sum == want && json.Valid(b[from:end]) && s.found(s.start+int64(at)+8, key, b[8:end]) {
			return end
		}
	}
	return 1
}

// sealedEntry does the same for what may be a key and a sealed value. The value ends where the next key begins, or
// before the zeros at the end of a page.
func (s *scanner) sealedEntry(at int) int {
	b := s.window[at:min(len(s.window), at+maxSealed)]
	if !s.sealed {
		return 1
	}
	inPage, page := int((s.start+int64(at))%s.image.page), int(s.image.page)
	for q := 8 + bodyHead; q <= len(b); q++ {
		from, to := q, q
		switch {
		case (inPage+q)%page == 0: // the seal may end with zeros
			from = max(8+bodyHead, q-page, len(bytes.TrimRight(b[:q], "\x00")))
			to = min(q, from+2)
		case !beginsEntry(b[q:]):
			continue
		}
		for end := from; end <= to; end++ {
			if s.overdue(end) {
				return 1
			}
			if s.found(s.start+int64(at)+8, binary.BigEndian.Uint64(b), b[8:end]) {
				return end
			}
		}
	}
	return 1
}

// bytes returns a part of the file, from the window if it is there.
func (s *scanner) bytes(at int64, n int) []byte {
	if from := at - s.start; from >= 0 && from+int64(n) <= int64(len(s.window)) {
		return s.window[from : from+int64(n)]
	}
	return s.image.read(make([]byte, n), at)
}
