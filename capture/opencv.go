package capture

/*
#cgo CXXFLAGS: -std=c++17
#cgo pkg-config: opencv4
#include <stdlib.h>
#include "opencv.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
	"unsafe"

	"gocv.io/x/gocv"
)

var (
	errNoMemory = errors.New("out of memory")
	// errNotOpened is all that OpenCV says about a failed open.
	errNotOpened = errors.New("OpenCV could not open it")
	// errResized: the source must be opened again to be read on.
	errResized = errors.New("the pictures changed their size")
)

// maxMisses bounds the reads in a row without a frame: OpenCV gives none for a damaged packet, and none for ever at the
// end; only the number tells them apart.
const maxMisses = 256

// input is an opened source. All of it is for one goroutine.
type input interface {
	// read fills dst with the next frame and returns its timestamp, 0 where it is not known. io.EOF: there are no more.
	read(ctx context.Context, dst *gocv.Mat) (time.Duration, error)
	// shape returns what is known before the first frame.
	shape() shape
	close()
}

// shape describes an input; zero fields are unknown.
type shape struct {
	fps    float64
	frames int // in the whole file
	// present: every frame shows the time of its read, even if reads follow each other quickly
	present bool
}

// video is an OpenCV VideoCapture of a device or a GStreamer pipeline.
type video struct {
	handle   unsafe.Pointer
	patience time.Duration // how long damaged frames are skipped
}

// openVideo opens name with the given back end.
func openVideo(name string, api gocv.VideoCaptureAPI, patience time.Duration) (*video, error) {
	cName := C.CString(name)
	defer C.free(unsafe.Pointer(cName))
	handle := C.capture_open(cName, C.int(api))
	if handle == nil {
		return nil, errNotOpened
	}
	return &video{handle: handle, patience: patience}, nil
}

func (v *video) read(ctx context.Context, dst *gocv.Mat) (time.Duration, error) {
	started := time.Now()
	for range maxMisses {
		if C.capture_read(v.handle, unsafe.Pointer(dst.Ptr())) {
			return time.Duration(v.get(gocv.VideoCapturePosMsec) * float64(time.Millisecond)), nil
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if time.Since(started) >= v.patience {
			return 0, fmt.Errorf("no readable frame within %v", v.patience)
		}
	}
	return 0, io.EOF
}

func (v *video) shape() shape {
	s := shape{fps: v.get(gocv.VideoCaptureFPS), frames: int(v.get(gocv.VideoCaptureFrameCount))}
	if !saneRate(s.fps) {
		s.fps = 0
	}
	return s
}

func (v *video) get(property gocv.VideoCaptureProperties) float64 {
	return float64(C.capture_get(v.handle, C.int(property)))
}

func (v *video) close() {
	C.capture_close(v.handle)
	v.handle = nil
}

// silenceOpenCV stops OpenCV's own messages, for the process.
func silenceOpenCV() { C.log_silence() }
