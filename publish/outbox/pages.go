package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
)

// The layout of a bbolt file, as far as salvaging needs it. A page begins with its number (8 bytes), flags (2), number
// of elements (2) and number of pages that belong to it besides itself (4); numbers are in the byte order of the
// machine. Pages 0 and 1 are metas, of which the one with the higher transaction counts. An element of a leaf is flags,
// position of its key relative to the element, size of the key, size of the value (4 bytes each); one of a branch is
// position and size of the key, and number of the page.
const (
	pageHead     = 16
	elementSize  = 16
	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
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

// parseMeta reads a meta page; ok is false if it is none or its checksum is wrong.
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
	m = meta{
		pageSize: int64(order.Uint32(b[8:])), root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]),
		high: order.Uint64(b[40:]), tx: order.Uint64(b[48:]),
	}
	size := m.pageSize
	return m, sum.Sum64() == order.Uint64(b[metaSize-8:]) && size >= minPage && size <= maxPage && size&(size-1) == 0
}

// header is the beginning of a page.
type header struct {
	id              uint64
	flags           uint16
	count, overflow int
}

func parseHeader(page []byte) header {
	order := binary.NativeEndian
	return header{
		id: order.Uint64(page), flags: order.Uint16(page[8:]), count: int(order.Uint16(page[10:])),
		overflow: int(order.Uint32(page[12:])),
	}
}

// element is an element of a leaf page; at is the offset of its value in the page.
type element struct {
	flags      uint32
	key, value []byte
	at         int64
}

// parseLeaf returns the elements of a leaf page, up to the first that exceeds the page: then ok is false.
func parseLeaf(page []byte) (elements []element, ok bool) {
	if len(page) < pageHead {
		return nil, false
	}
	for i := range parseHeader(page).count {
		at := pageHead + i*elementSize
		e, ok := parseElement(page, at)
		if !ok {
			return elements, false
		}
		elements = append(elements, e)
	}
	return elements, true
}

// parseElement reads the element at an offset of some bytes.
func parseElement(b []byte, at int) (e element, ok bool) {
	if at+elementSize > len(b) {
		return e, false
	}
	order := binary.NativeEndian
	key := int64(at) + int64(order.Uint32(b[at+4:]))
	value := key + int64(order.Uint32(b[at+8:]))
	end := value + int64(order.Uint32(b[at+12:]))
	if end > int64(len(b)) {
		return e, false
	}
	return element{flags: order.Uint32(b[at:]), key: b[key:value], value: b[value:end], at: value}, true
}

// child is an element of a branch page.
type child struct {
	key  []byte
	page uint64
}

// parseBranch returns the elements of a branch page, or false.
func parseBranch(page []byte) ([]child, bool) {
	order := binary.NativeEndian
	var children []child
	for i := range parseHeader(page).count {
		at := pageHead + i*elementSize
		if at+elementSize > len(page) {
			return nil, false
		}
		key := int64(at) + int64(order.Uint32(page[at:]))
		end := key + int64(order.Uint32(page[at+4:]))
		if end > int64(len(page)) {
			return nil, false
		}
		children = append(children, child{page[key:end], order.Uint64(page[at+8:])})
	}
	return children, len(children) > 0
}

// parseFreelist returns the numbers of the free pages. They are in order; a list that is not is damaged.
func parseFreelist(page []byte) (map[uint64]bool, bool) {
	order := binary.NativeEndian
	count, ids := uint64(order.Uint16(page[10:])), page[pageHead:]
	if count == 0xFFFF { // too many for the header: the first word is the number
		if len(ids) < 8 {
			return nil, false
		}
		count, ids = order.Uint64(ids), ids[8:]
	}
	free, last := map[uint64]bool{}, uint64(1)
	for ; count > 0; count, ids = count-1, ids[8:] {
		if len(ids) < 8 {
			return nil, false
		}
		id := order.Uint64(ids)
		if id <= last {
			return nil, false
		}
		free[id], last = true, id
	}
	return free, true
}

// image is a file that may be damaged in part. Parts that cannot be read are zero.
type image struct {
	file io.ReaderAt
	size int64
	page int64 // bytes of a page
}

// read fills b from an offset, sector by sector if the disk fails, and returns the part of b that is within the file.
func (i image) read(b []byte, at int64) []byte {
	b = b[:max(0, min(int64(len(b)), i.size-at))]
	if n, err := i.file.ReadAt(b, at); err == nil || n == len(b) {
		return b
	}
	for k := 0; k < len(b); k += minPage {
		sector := b[k:min(len(b), k+minPage)]
		if n, err := i.file.ReadAt(sector, at+int64(k)); err != nil && n < len(sector) {
			clear(sector[n:])
		}
	}
	return b
}

// run returns a page with the pages that belong to it, if its number and kind are these.
func (i image) run(id uint64, flags uint16) ([]byte, bool) {
	if id > uint64(i.size/i.page) { //nolint:gosec // not negative
		return nil, false
	}
	at := int64(id) * i.page //nolint:gosec // not above size
	head := i.read(make([]byte, i.page), at)
	if int64(len(head)) < i.page {
		return nil, false
	}
	h := parseHeader(head)
	size := (int64(h.overflow) + 1) * i.page
	if h.id != id || h.flags != flags || size > i.size-at || size > maxRun {
		return nil, false
	}
	return i.read(make([]byte, size), at), true
}

// metas returns the sound meta pages, and sets the size of a page. The second meta page follows the first, so all page
// sizes are tried.
func (i *image) metas() (sound []meta) {
	page := make([]byte, pageHead+metaSize)
	for at := int64(0); at <= maxPage; at = max(minPage, 2*at) {
		m, ok := parseMeta(i.read(page, at))
		if !ok || at != 0 && at != m.pageSize || len(sound) > 0 && sound[0].pageSize != m.pageSize {
			continue
		}
		sound, i.page = append(sound, m), m.pageSize
	}
	return sound
}

// checkPages returns errTorn if a file has only one sound meta page, because bbolt would go back to the transaction
// before, or if its list of free pages is damaged, because bbolt would overwrite entries.
func checkPages(path string) error {
	file, err := os.Open(path) //nolint:gosec // the outbox
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return err
	}
	im := &image{file: file, size: info.Size()}
	metas := im.metas()
	if len(metas) < 2 {
		return fmt.Errorf("%w: %d of 2 meta pages are sound", errTorn, len(metas))
	}
	m := newest(metas)
	page, ok := im.run(m.freelist, freelistPage)
	if !ok {
		return fmt.Errorf("%w: its list of free pages cannot be read", errTorn)
	}
	free, ok := parseFreelist(page)
	t := &tree{image: *im, free: free}
	if t.walk(m); !ok || t.clash || len(t.gaps) > 0 {
		return fmt.Errorf("%w: its pages or its list of free pages are damaged", errTorn)
	}
	return nil
}

func newest(metas []meta) meta {
	return slices.MaxFunc(metas, func(a, b meta) int { return compare(a.tx, b.tx) })
}

// errNoFile means that the path of the outbox is not that of a regular file.
var errNoFile = errors.New("not a regular file")
