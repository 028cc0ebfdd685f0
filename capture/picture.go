package capture

// #include "ffmpeg.h"
import "C"

import (
	"errors"
	"time"
	"unsafe"

	"gocv.io/x/gocv"
)

var errConversion = errors.New("a frame cannot be converted: its pixel format is not supported, or memory is short")

// picture is a decoded frame that is not converted to BGR yet. It refers to memory of the decoder, half of what the
// converted frame needs, and stays valid when the decoder continues or is closed. It is for one goroutine at a time, and
// pictures of one input must not be converted at the same time.
type picture struct {
	handle        unsafe.Pointer
	width, height int // after the conversion, pixels
}

// newPicture returns the picture that get returns with its size; it takes ownership.
func newPicture(get func(width, height *C.int) unsafe.Pointer) (*picture, error) {
	var width, height C.int
	handle := get(&width, &height)
	if handle == nil {
		return nil, errConversion
	}
	return &picture{handle: handle, width: int(width), height: int(height)}, nil
}

// convert fills dst, and returns the CPU time that it took: milliseconds.
func (p *picture) convert(dst *gocv.Mat) (time.Duration, error) {
	var spent C.int64_t
	if !C.picture_convert(p.handle, unsafe.Pointer(dst.Ptr()), &spent) {
		return time.Duration(spent), errConversion
	}
	return time.Duration(spent), nil
}

// close frees the picture. It may be nil, or closed already.
func (p *picture) close() {
	if p != nil {
		C.picture_free(p.handle)
		p.handle = nil
	}
}
