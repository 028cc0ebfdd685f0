package capture

/*
#cgo CXXFLAGS: -std=c++17
#cgo pkg-config: opencv4 libavformat libavcodec libswscale libavutil
#include <stdlib.h>
#include "ffmpeg.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime/cgo"
	"sync"
	"time"
	"unsafe"

	"gocv.io/x/gocv"
)

// mediaOptions are the options for decoding.
type mediaOptions struct {
	maxPixels int64
	aspect    ratio
	live      bool
}

func (o mediaOptions) c() *C.media_options {
	return &C.media_options{
		max_pixels: C.int64_t(o.maxPixels), aspect_num: C.int(o.aspect.width), aspect_den: C.int(o.aspect.height),
		live: C.bool(o.live),
	}
}

// picture describes a frame, without its pixels.
type picture struct {
	stamp         time.Duration // since the beginning of the stream; 0: unknown
	width, height int           // as decoded
	sample        ratio         // declared width to height of a pixel
}

func newPicture(f C.media_frame) picture {
	p := picture{
		width: int(f.width), height: int(f.height), sample: ratio{int(f.sample_num), int(f.sample_den)},
	}
	if f.stamp_ns != math.MinInt64 {
		p.stamp = time.Duration(f.stamp_ns)
	}
	return p
}

// mediaFault returns the error for a status, nil for a frame. what describes the content, as far as it is known.
func (o mediaOptions) mediaFault(status C.media_status, f C.media_frame, what string) error {
	switch status {
	case C.MEDIA_FRAME:
		return nil
	case C.MEDIA_END:
		return io.EOF
	case C.MEDIA_RESIZED:
		return errResized
	case C.MEDIA_GIANT:
		return faultf(ReasonTooLarge, "a picture of %.1f million pixels is larger than max_pixels (%.1f million); "+
			"lower the resolution, or raise max_pixels", float64(f.giant_pixels)/1e6, float64(o.maxPixels)/1e6)
	case C.MEDIA_NO_VIDEO:
		if what == "" {
			return errors.New("there is neither video nor sound in it")
		}
		return faultf(ReasonNoVideo, "no video in it, only %s; give a recording or stream with video", what)
	case C.MEDIA_NO_DECODER:
		return faultf(ReasonCodec, "FFmpeg has no decoder for %s; set the camera to H.264, H.265 or MJPEG", what)
	case C.MEDIA_FLOOD:
		return faultf(ReasonTooLarge, "64 MiB came without a picture; check that the url is that of a video stream")
	case C.MEDIA_INTERRUPTED:
		return context.Canceled
	default:
		return fmt.Errorf("%s", mediaError(f.error))
	}
}

// mediaError returns FFmpeg's text for an error.
func mediaError(number C.int) string {
	const size = 128
	text := (*C.char)(C.calloc(size, 1))
	defer C.free(unsafe.Pointer(text))
	C.media_error(number, text, size)
	return C.GoString(text)
}

// trim returns freed memory to the system.
func trim() { C.media_trim() }

// reader reads a container. Its methods except interrupt must be called from one goroutine.
type reader struct {
	options mediaOptions
	mu      sync.Mutex
	handle  unsafe.Pointer // nil after close
}

func newReader(options mediaOptions) (*reader, error) {
	handle := C.reader_new(options.c())
	if handle == nil {
		return nil, errNoMemory
	}
	return &reader{options: options, handle: handle}, nil
}

// openFile opens a file by its absolute path.
func (r *reader) openFile(path string) error {
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	var f C.media_frame
	status := C.reader_open_file(r.handle, cPath, &f)
	return r.options.mediaFault(status, f, r.info().streams)
}

// openFeed reads a stream from a feed, and takes ownership of the feed. The url must not contain credentials.
func (r *reader) openFeed(f *feed, url, format string) error {
	cURL, cFormat := C.CString(url), C.CString(format)
	defer C.free(unsafe.Pointer(cURL))
	defer C.free(unsafe.Pointer(cFormat))
	var frame C.media_frame
	status := C.reader_open_feed(r.handle, C.uintptr_t(cgo.NewHandle(f)), cURL, cFormat, &frame)
	return r.options.mediaFault(status, frame, r.info().streams)
}

// next fills dst with the next frame.
func (r *reader) next(dst *gocv.Mat) (picture, error) {
	var f C.media_frame
	status := C.reader_next(r.handle, unsafe.Pointer(dst.Ptr()), &f)
	if status == C.MEDIA_FRAME {
		return newPicture(f), nil
	}
	return picture{}, r.options.mediaFault(status, f, r.info().streams)
}

// mediaInfo describes a container.
type mediaInfo struct {
	fps               float64
	declared, covered time.Duration // length in the header, length that was read
	format, streams   string
}

func (r *reader) info() mediaInfo {
	var i C.media_info
	C.reader_info(r.handle, &i)
	return mediaInfo{
		fps:      float64(i.fps),
		declared: time.Duration(i.duration_us) * time.Microsecond,
		covered:  time.Duration(i.covered_us) * time.Microsecond,
		format:   C.GoString(&i.format[0]), streams: C.GoString(&i.streams[0]),
	}
}

// interrupt ends the current call and all later ones. Any goroutine may call it.
func (r *reader) interrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.handle != nil {
		C.reader_interrupt(r.handle)
	}
}

func (r *reader) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	C.reader_free(r.handle)
	r.handle = nil
}

// packets decodes the packets of one stream.
type packets struct {
	options mediaOptions
	codec   string // name in FFmpeg
	handle  unsafe.Pointer
}

func newPackets(options mediaOptions, codec string) (*packets, error) {
	cCodec := C.CString(codec)
	defer C.free(unsafe.Pointer(cCodec))
	var f C.media_frame
	handle := C.decoder_new(options.c(), cCodec, &f)
	if handle == nil {
		return nil, faultf(ReasonCodec, "FFmpeg has no decoder for %s (%s); set the camera to H.264, H.265 or MJPEG",
			codec, mediaError(f.error))
	}
	return &packets{options: options, codec: codec, handle: handle}, nil
}

// send passes a packet to the decoder. After the error for a damaged packet, further packets may be sent.
func (p *packets) send(u unit) error {
	if len(u.data) == 0 {
		return nil
	}
	var f C.media_frame
	status := C.decoder_send(p.handle, (*C.uint8_t)(unsafe.SliceData(u.data)), C.size_t(len(u.data)), C.bool(u.key),
		C.int64_t(u.stamp), &f)
	return p.options.mediaFault(status, f, p.codec)
}

// receive fills dst with the next decoded frame; ok is false when a packet is needed.
func (p *packets) receive(dst *gocv.Mat) (pic picture, ok bool, err error) {
	var f C.media_frame
	status := C.decoder_receive(p.handle, unsafe.Pointer(dst.Ptr()), &f)
	switch status {
	case C.MEDIA_FRAME:
		return newPicture(f), true, nil
	case C.MEDIA_MORE:
		return picture{}, false, nil
	default:
		return picture{}, false, p.options.mediaFault(status, f, p.codec)
	}
}

func (p *packets) close() { C.decoder_free(p.handle) }
