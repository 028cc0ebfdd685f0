package capture

/*
#include "feed.h"
*/
import "C"

import (
	"errors"
	"io"
	"runtime/cgo"
	"unsafe"
)

// feed is a stream of bytes that FFmpeg reads, with a function that opens further addresses of the same server.
type feed struct {
	body io.ReadCloser
	open func(address string, offset, end int64) (io.ReadCloser, error) // nil: no further addresses
}

//export captureFeedRead
func captureFeedRead(handle C.uintptr_t, buffer *C.uint8_t, size C.int) C.int {
	f := cgo.Handle(handle).Value().(*feed) //nolint:forcetypeassert // reader.cpp passes the handle back unchanged
	for {
		n, err := f.body.Read(unsafe.Slice((*byte)(buffer), int(size)))
		switch {
		case n > 0:
			return C.int(n) //nolint:gosec // at most size
		case errors.Is(err, io.EOF):
			return 0
		case err != nil:
			return -1
		}
	}
}

//export captureFeedOpen
func captureFeedOpen(handle C.uintptr_t, address *C.char, offset, end C.int64_t) C.uintptr_t {
	f := cgo.Handle(handle).Value().(*feed) //nolint:forcetypeassert // reader.cpp passes the handle back unchanged
	if f.open == nil {
		return 0
	}
	body, err := f.open(C.GoString(address), int64(offset), int64(end))
	if err != nil {
		return 0 // the owner of the feed has stored the error
	}
	return C.uintptr_t(cgo.NewHandle(&feed{body: body, open: f.open}))
}

//export captureFeedClose
func captureFeedClose(handle C.uintptr_t) {
	h := cgo.Handle(handle)
	_ = h.Value().(*feed).body.Close() //nolint:forcetypeassert // as above; only reads, so the error is not relevant
	h.Delete()
}
