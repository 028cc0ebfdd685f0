package outbox

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"io"
	"slices"
)

// The layout of a bbolt file, as far as checking and salvaging need it. A page begins with its number (8 bytes), flags
// (2), number of elements (2) and number of further pages that belong to it (4). Numbers are in the byte order of the
// machine. Pages 0 and 1 are meta pages, of which the one with the higher transaction counts. An element of a leaf has
// flags, position of its key relative to the element, size of the key, size of the value (4 bytes each). An element of
// a branch has position and size of the key (4 bytes each) and the number of the child page (8).
const (
	pageHead     = 16
	elementSize  = 16
	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketFlag   = 0x01

	boltMagic   = 0xED0CDAED
	boltVersion = 2
	metaSize    = 64
	bucketHead  = 16 // bytes before an inline page: number of the root page, 0 for inline, and a sequence

	minPage = 1 << 9
	maxPage = 1 << 16
	maxRun  = 128 << 20 // bytes of a page with those that belong to it
)

// meta is the content of a meta page.
type meta struct {
	pageSize                 int64
	root, freelist, high, tx uint64
}

// parseMeta returns false if a page is not a meta page or its checksum is wrong.
func parseMeta(page []byte) (m meta, ok bool) {
	if len(page) < pageHead+metaSize {
		return m, false
	}
	b, order := page[pageHead:], binary.NativeEndian
	if order.Uint32(b) != boltMagic || order.Uint32(b[4:]) != boltVersion {
		return m, false
	}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8]) // never fails
	size := int64(order.Uint32(b[8:]))
	m = meta{
		pageSize: size, root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]),
		high: order.Uint64(b[40:]), tx: order.Uint64(b[48:]),
	}
	return m, sum.Sum64() == order.Uint64(b[metaSize-8:]) && size >= minPage && size <= maxPage && size&(size-1) == 0
}

// element is an element of a leaf page, or of a branch page, where it has a key and a child only.
type element struct {
	flags      uint32
	key, value []byte
	at         int64 // offset of the value in the page
	child      uint64
}

// parseElements returns the elements of a page up to the first that exceeds it. whole is false if there is one.
func parseElements(page []byte, branch bool) (elements []element, whole bool) {
	if len(page) < pageHead {
		return nil, false
	}
	order := binary.NativeEndian
	for i := range int(order.Uint16(page[10:])) {
		at := pageHead + i*elementSize
		if at+elementSize > len(page) {
			return elements, false
		}
		b := page[at:]
		e := element{flags: order.Uint32(b)}
		key, keySize, valueSize := order.Uint32(b[4:]), order.Uint32(b[8:]), order.Uint32(b[12:])
		if branch {
			key, keySize, valueSize = order.Uint32(b), order.Uint32(b[4:]), 0
			e.child = order.Uint64(b[8:])
		}
		from := int64(at) + int64(key)
		e.at = from + int64(keySize)
		end := e.at + int64(valueSize)
		if end > int64(len(page)) {
			return elements, false
		}
		e.key, e.value = page[from:e.at], page[e.at:end]
		elements = append(elements, e)
	}
	return elements, true
}

// parseFreelist returns the numbers of the free pages, or nil if the list is damaged: they must be in order.
func parseFreelist(page []byte) map[uint64]bool {
	order := binary.NativeEndian
	count, numbers := uint64(order.Uint16(page[10:])), page[pageHead:]
	if count == 0xFFFF { // too many for the head of the page: the first number is the count
		if len(numbers) < 8 {
			return nil
		}
		count, numbers = order.Uint64(numbers), numbers[8:]
	}
	free, last := map[uint64]bool{}, uint64(1)
	for ; count > 0; count, numbers = count-1, numbers[8:] {
		if len(numbers) < 8 || order.Uint64(numbers) <= last {
			return nil
		}
		last = order.Uint64(numbers)
		free[last] = true
	}
	return free
}

// pageFile reads a bbolt file that may be damaged in part. Parts that the disk cannot read are zero.
type pageFile struct {
	file io.ReaderAt
	size int64
	page int64 // bytes of a page
}

// read fills b from an offset, sector by sector if the disk fails, and returns the part of b that is within the file.
func (f *pageFile) read(b []byte, at int64) []byte {
	b = b[:max(0, min(int64(len(b)), f.size-at))]
	if n, err := f.file.ReadAt(b, at); err == nil || n == len(b) {
		return b
	}
	for k := 0; k < len(b); k += minPage {
		sector := b[k:min(len(b), k+minPage)]
		if n, err := f.file.ReadAt(sector, at+int64(k)); err != nil && n < len(sector) {
			clear(sector[n:])
		}
	}
	return b
}

// run returns a page with the pages that belong to it, or false if its number or kind is another.
func (f *pageFile) run(id uint64, kind uint16) ([]byte, bool) {
	if id > uint64(f.size/f.page) { //nolint:gosec // not negative
		return nil, false
	}
	at := int64(id) * f.page //nolint:gosec // not above size
	head := f.read(make([]byte, f.page), at)
	if int64(len(head)) < f.page {
		return nil, false
	}
	order := binary.NativeEndian
	size := (int64(order.Uint32(head[12:])) + 1) * f.page
	if order.Uint64(head) != id || order.Uint16(head[8:]) != kind || size > f.size-at || size > maxRun {
		return nil, false
	}
	return f.read(make([]byte, size), at), true
}

// metas returns the sound meta pages, and sets the size of a page. The second meta page follows the first, so all page
// sizes are tried.
func (f *pageFile) metas() (sound []meta) {
	page := make([]byte, pageHead+metaSize)
	for at := int64(0); at <= maxPage; at = max(minPage, 2*at) {
		m, ok := parseMeta(f.read(page, at))
		if !ok || at != 0 && at != m.pageSize || len(sound) > 0 && sound[0].pageSize != m.pageSize {
			continue
		}
		sound, f.page = append(sound, m), m.pageSize
	}
	return sound
}

func newest(metas []meta) meta {
	return slices.MaxFunc(metas, func(a, b meta) int { return cmp.Compare(a.tx, b.tx) })
}
