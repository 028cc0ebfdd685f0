package outbox

import (
	"bytes"
	"encoding/binary"
	"time"
)

const (
	scanStep  = 4 << 20   // bytes of a file that are searched at a time
	scanAhead = 256 << 10 // bytes read beyond them: the maximum size of a record whose element is lost
	maxValue  = 16 << 20
	numberLen = 8 // bytes of a key
)

// scanner searches a file at every offset for records and for values of metadataBucket. It finds them without the tree:
// by the elements of leaf pages and, where those are lost, by the beginning of a record.
type scanner struct {
	*search
	file  *pageFile
	until time.Time // the search ends at this time

	window []byte // the part of the file that is searched
	start  int64  // offset of window in the file
	work   int    // bytes since the clock was read
	late   bool
}

// scan returns false if it did not come to the end of the file in time.
func (s *scanner) scan() bool {
	buffer := make([]byte, min(scanStep+scanAhead, s.file.size))
	for s.start = 0; s.start < s.file.size; s.start += scanStep {
		s.window = s.file.read(buffer, s.start)
		for at := 0; at < min(scanStep, len(s.window)); {
			step := s.tryAt(at)
			if s.overdue(step) {
				return false
			}
			at += step
		}
	}
	return true
}

// overdue reports whether the time is over. It reads the clock once for about 64 KiB of work.
func (s *scanner) overdue(work int) bool {
	if s.work += work; s.work >= 1<<16 {
		s.work = 0
		s.late = s.late || time.Now().After(s.until)
	}
	return s.late
}

// tryAt tries one offset of the window and returns the distance to the next.
func (s *scanner) tryAt(at int) int {
	b := s.window[at:]
	if len(b) < elementSize {
		return len(b)
	}
	if b[8] == 0 { // nothing begins here, nor before the next byte that is not zero
		return zeros(b[8:])
	}
	if b[9]|b[10]|b[11] == 0 && (b[8] == numberLen || b[8] == metadataKeyLen) && b[0]|b[1]|b[2]|b[3] == 0 {
		s.element(at)
	}
	if beginsRecord(b) && !s.known[s.start+int64(at)+numberLen] && (b[9] == plain || s.key != nil) {
		return s.bareRecord(at)
	}
	return 1
}

// beginsRecord reports whether a key (a number that counts from 1) and the head of a value may begin here.
func beginsRecord(b []byte) bool {
	return len(b) >= 10 && b[0]|b[1] == 0 && b[8] == recordVersion && b[9] <= sealed && binary.BigEndian.Uint64(b) != 0
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
	switch {
	case size == 0 || size > maxValue || from+int64(keySize)+size > s.file.size:
		return
	case keySize == metadataKeyLen && size > 64: // those values are short
		return
	}
	head := s.bytes(from, keySize+2)
	if len(head) < keySize+2 || keySize == numberLen && (head[8] != recordVersion || head[9] > sealed) {
		return
	}
	if s.overdue(int(size)) {
		return
	}
	value := s.bytes(from+int64(keySize), int(size))
	if keySize == metadataKeyLen {
		s.note(string(head[:keySize]), value)
		return
	}
	s.found(from+numberLen, binary.BigEndian.Uint64(head), value)
}

// found visits a value that is a sound record, and reports whether it is one.
func (s *scanner) found(at int64, key uint64, value []byte) bool {
	if s.known[at] {
		return true
	}
	r, err := decode(key, value, s.key)
	if err == nil {
		s.known[at] = true
		s.offer(location{key, at, len(value)}, r)
	}
	return err == nil
}

// bareRecord visits what may be a key and a value whose element is lost, and returns the distance to the next offset to
// try. The value ends where the next key begins, or before the zeros at the end of a page.
func (s *scanner) bareRecord(at int) int {
	b := s.window[at:min(len(s.window), at+scanAhead)]
	inPage, page := int((s.start+int64(at))%s.file.page), int(s.file.page)
	for q := numberLen + bodyHead; q <= len(b); q++ {
		next, from, to := beginsRecord(b[q:]), q, q
		if (inPage+q)%page == 0 { // a sealed text may end with zeros
			from = max(numberLen+bodyHead, q-page, len(bytes.TrimRight(b[:q], "\x00")))
			to = min(q, from+2)
		} else if !next {
			continue
		}
		for end := from; end <= to; end++ {
			if s.overdue(end) {
				return 1
			}
			if s.found(s.start+int64(at)+numberLen, binary.BigEndian.Uint64(b), b[numberLen:end]) {
				return end
			}
		}
		if next {
			break // the value is damaged
		}
	}
	return 1
}

// bytes returns a part of the file, from the window if it is there.
func (s *scanner) bytes(at int64, n int) []byte {
	if from := at - s.start; from >= 0 && from+int64(n) <= int64(len(s.window)) {
		return s.window[from : from+int64(n)]
	}
	return s.file.read(make([]byte, n), at)
}
