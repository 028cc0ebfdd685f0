package outbox

import (
	"crypto/cipher"
	"encoding/binary"
	"math"
)

// maxDepth is above the number of levels of any bbolt tree.
const maxDepth = 32

// span is a range of keys, the last included.
type span struct{ first, last uint64 }

// tree is the result of walking the pages that are reachable from a meta page.
type tree struct {
	image   image
	cipher  cipher.AEAD
	visit   func(p piece, r record) // called for each sound entry, with its place; nil: only pages are checked
	free    map[uint64]bool         // pages that should not be part of it
	visited map[uint64]bool
	clash   bool // a page of free is part of it

	gaps    []span            // keys whose pages cannot be read
	damaged map[uint64]bool   // keys of entries that cannot be read
	about   map[string][]byte // values of the bucket aboutBucket
}

// walk visits everything below the root page of m.
func (t *tree) walk(m meta) {
	t.visited, t.damaged, t.about = map[uint64]bool{}, map[uint64]bool{}, map[string][]byte{}
	page, ok := t.image.run(m.root, leafPage)
	elements, whole := parseLeaf(page)
	t.clash = t.free[m.root] || t.free[m.freelist]
	found := false
	for _, e := range elements {
		if e.flags&bucketFlag == 0 || len(e.value) < bucketHead {
			continue
		}
		root := binary.NativeEndian.Uint64(e.value)
		switch string(e.key) {
		case eventsBucket:
			found = true
			if at := int64(m.root)*t.image.page + e.at + bucketHead; root == 0 { //nolint:gosec // within the file
				t.leaf(e.value[bucketHead:], at, span{0, math.MaxUint64})
			} else {
				t.descend(root, span{0, math.MaxUint64}, 0)
			}
		case aboutBucket:
			t.readAbout(root, e.value[bucketHead:])
		}
	}
	if !ok || !whole || !found {
		t.gaps = []span{{0, math.MaxUint64}}
	}
}

func (t *tree) readAbout(root uint64, inline []byte) {
	if root != 0 {
		inline, _ = t.image.run(root, leafPage)
	}
	elements, _ := parseLeaf(inline)
	for _, e := range elements {
		t.about[string(e.key)] = e.value
	}
}

// descend visits a page that should hold the keys of a span.
func (t *tree) descend(id uint64, keys span, depth int) {
	if t.visited[id] || depth > maxDepth {
		t.gaps = append(t.gaps, keys)
		return
	}
	t.visited[id] = true
	if page, ok := t.image.run(id, leafPage); ok {
		for i := range uint64(len(page)) / uint64(t.image.page) { //nolint:gosec // not negative
			t.clash = t.clash || t.free[id+i]
		}
		t.leaf(page, int64(id)*t.image.page, keys) //nolint:gosec // within the file
		return
	}
	t.clash = t.clash || t.free[id]
	children, whole := t.branch(id)
	if !whole || !ordered(children, keys) {
		t.gaps = append(t.gaps, keys)
		return
	}
	for i, c := range children {
		part := keys
		if i > 0 {
			part.first = binary.BigEndian.Uint64(c.key)
		}
		if i+1 < len(children) {
			part.last = binary.BigEndian.Uint64(children[i+1].key) - 1
		}
		t.descend(c.page, part, depth+1)
	}
}

func (t *tree) branch(id uint64) ([]child, bool) {
	page, ok := t.image.run(id, branchPage)
	if !ok {
		return nil, false
	}
	return parseBranch(page)
}

func ordered(children []child, keys span) bool {
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

// leaf visits the entries of a page that is at an offset of the file.
func (t *tree) leaf(page []byte, at int64, keys span) {
	elements, whole := parseLeaf(page)
	next := keys.first
	for _, e := range elements {
		if e.flags != 0 || len(e.key) != 8 || binary.BigEndian.Uint64(e.key) < next ||
			binary.BigEndian.Uint64(e.key) > keys.last {
			whole = false
			break
		}
		key := binary.BigEndian.Uint64(e.key)
		next = key + 1
		if t.visit == nil {
			continue
		}
		r, err := decode(key, e.value, t.cipher)
		if err != nil {
			t.damaged[key] = true
			continue
		}
		t.visit(piece{key, at + e.at, len(e.value)}, r)
	}
	if !whole {
		t.gaps = append(t.gaps, span{next, keys.last})
	}
}

// inGap reports whether an entry of a key may be where the tree cannot be read.
func (t *tree) inGap(key uint64) bool {
	for _, g := range t.gaps {
		if key >= g.first && key <= g.last {
			return true
		}
	}
	return t.damaged[key]
}
