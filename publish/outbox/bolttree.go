package outbox

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
)

// maxDepth is above the number of levels of any bbolt tree.
const maxDepth = 32

// keyRange is a range of keys, the last included.
type keyRange struct{ first, last uint64 }

// location is the place of the value of a sound record in a file.
type location struct {
	key  uint64
	at   int64
	size int
}

// tree is what is reachable from the newest sound meta page of a file. It is read without bbolt, which panics on a
// damaged file. Without a sound meta page all keys are in a gap.
type tree struct {
	file     *pageFile
	key      cipher.AEAD
	visit    func(l location, r record) // called for each sound record
	metas    int                        // number of sound meta pages, of 2
	meta     meta                       // the newest
	free     map[uint64]bool            // pages of the list of free pages; nil if it is damaged
	overlap  bool                       // a free page is part of the tree
	gaps     []keyRange                 // keys whose pages cannot be read
	damaged  map[uint64]bool            // keys of records that cannot be read
	metadata map[string][]byte          // values of metadataBucket
	visited  map[uint64]bool            // pages
}

// readTree reads all of a file that is reachable.
func readTree(file io.ReaderAt, size int64, key cipher.AEAD, visit func(location, record)) *tree {
	t := &tree{
		file: &pageFile{file: file, size: size, page: int64(os.Getpagesize())}, key: key, visit: visit,
		damaged: map[uint64]bool{}, metadata: map[string][]byte{}, visited: map[uint64]bool{},
	}
	metas := t.file.metas()
	if t.metas = len(metas); t.metas == 0 {
		t.gaps = []keyRange{{0, math.MaxUint64}}
		return t
	}
	t.meta = newest(metas)
	if page, ok := t.file.run(t.meta.freelist, freelistPage); ok {
		t.free = parseFreelist(page)
	}
	t.overlap = t.free[t.meta.root] || t.free[t.meta.freelist]
	t.readRoot(t.meta.root)
	return t
}

// fault returns why bbolt must not open the file; nil if it may.
func (t *tree) fault() error {
	why := ""
	switch {
	case t.metas < 2: // bbolt would use the transaction before the last
		why = fmt.Sprintf("%d of 2 meta pages are sound", t.metas)
	case t.free == nil || t.overlap: // bbolt would overwrite records
		why = "its list of free pages is damaged"
	case len(t.gaps) > 0 || string(t.metadata[formatKey]) != format:
		why = "its pages are damaged, or it belongs to another program or version"
	case t.meta.high > uint64(t.file.size/t.file.page): //nolint:gosec // not negative
		why = fmt.Sprintf("it has %d bytes, but should have %d pages", t.file.size, t.meta.high)
	default:
		return nil
	}
	return fmt.Errorf("%w: %s", errCorrupt, why)
}

// readRoot reads the page of the buckets, and the buckets.
func (t *tree) readRoot(root uint64) {
	all := keyRange{0, math.MaxUint64}
	page, ok := t.file.run(root, leafPage)
	buckets, whole := parseElements(page, false)
	found := false
	for _, e := range buckets {
		if e.flags&bucketFlag == 0 || len(e.value) < bucketHead {
			continue
		}
		child, inline := binary.NativeEndian.Uint64(e.value), e.value[bucketHead:]
		switch string(e.key) {
		case eventsBucket:
			found = true
			if child == 0 {
				t.readLeaf(inline, int64(root)*t.file.page+e.at+bucketHead, all) //nolint:gosec // within the file
			} else {
				t.readPage(child, all, 0)
			}
		case metadataBucket:
			if child != 0 {
				inline, _ = t.file.run(child, leafPage)
			}
			values, _ := parseElements(inline, false)
			for _, v := range values {
				t.metadata[string(v.key)] = v.value
			}
		}
	}
	if !ok || !whole || !found {
		t.gaps = []keyRange{all}
	}
}

// readPage reads a page that should hold these keys, and all pages below.
func (t *tree) readPage(id uint64, keys keyRange, depth int) {
	if t.visited[id] || depth > maxDepth {
		t.gaps = append(t.gaps, keys)
		return
	}
	t.visited[id] = true
	t.overlap = t.overlap || t.free[id]
	if page, ok := t.file.run(id, leafPage); ok {
		for i := range uint64(len(page)) / uint64(t.file.page) { //nolint:gosec // not negative
			t.overlap = t.overlap || t.free[id+i]
		}
		t.readLeaf(page, int64(id)*t.file.page, keys) //nolint:gosec // within the file
		return
	}
	page, _ := t.file.run(id, branchPage)
	children, whole := parseElements(page, true)
	if !whole || len(children) == 0 || !ordered(children, keys) {
		t.gaps = append(t.gaps, keys)
		return
	}
	t.readChildren(children, keys, depth)
}

// readChildren reads the pages below a branch page.
func (t *tree) readChildren(children []element, keys keyRange, depth int) {
	for i, c := range children {
		part := keys
		if i > 0 {
			part.first = binary.BigEndian.Uint64(c.key)
		}
		if i+1 < len(children) {
			part.last = binary.BigEndian.Uint64(children[i+1].key) - 1
		}
		t.readPage(c.child, part, depth+1)
	}
}

// ordered reports whether the keys of a branch page increase and are in a range. The first key may be any.
func ordered(children []element, keys keyRange) bool {
	for i, c := range children {
		if len(c.key) != 8 {
			return false
		}
		key := binary.BigEndian.Uint64(c.key)
		if i > 0 && (key <= binary.BigEndian.Uint64(children[i-1].key) || key < keys.first || key > keys.last) {
			return false
		}
	}
	return true
}

// readLeaf visits the records of a page that is at an offset of the file.
func (t *tree) readLeaf(page []byte, at int64, keys keyRange) {
	elements, whole := parseElements(page, false)
	next := keys.first
	for _, e := range elements {
		if e.flags != 0 || len(e.key) != 8 || binary.BigEndian.Uint64(e.key) < next ||
			binary.BigEndian.Uint64(e.key) > keys.last {
			whole = false
			break
		}
		key := binary.BigEndian.Uint64(e.key)
		next = key + 1
		if r, err := decode(key, e.value, t.key); err == nil {
			t.visit(location{key, at + e.at, len(e.value)}, r)
		} else {
			t.damaged[key] = true
		}
	}
	if !whole {
		t.gaps = append(t.gaps, keyRange{next, keys.last})
	}
}

// inGap reports whether a record of a key may be where the tree cannot be read.
func (t *tree) inGap(key uint64) bool {
	for _, g := range t.gaps {
		if key >= g.first && key <= g.last {
			return true
		}
	}
	return t.damaged[key]
}
