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
	"strings"
	"sync"
	"time"
	"unsafe"
)

// mediaOptions are the options for decoding.
type mediaOptions struct {
	maxPixels int64
	aspect    ratio
	live      bool
	paced     bool // a recording that is read at its own rate
	// hardware are FFmpeg's names of hardware decoders, the preferred one first.
	hardware []string
	// maxCost is the maximum CPU time of a hardware decoder, as a share of that of software.
	maxCost float64
	// maxLoad is the maximum CPU time of decoding in one thread, as a share of the time that passes. Above it, several
	// threads decode from the next key frame on.
	maxLoad float64
}

// with calls f with the options for C, which must not be kept.
func (o mediaOptions) with(f func(*C.media_options)) {
	hardware := C.CString(strings.Join(o.hardware, ","))
	defer C.free(unsafe.Pointer(hardware))
	f(&C.media_options{
		max_pixels: C.int64_t(o.maxPixels), aspect_num: C.int(o.aspect.width), aspect_den: C.int(o.aspect.height),
		live: C.bool(o.live), one_thread: C.bool(o.live || o.paced), hardware: hardware, max_cost: C.double(o.maxCost),
		max_load: C.double(o.maxLoad),
	})
}

func newFrameInfo(f C.media_frame) frameInfo {
	i := frameInfo{
		width: int(f.width), height: int(f.height), sample: ratio{int(f.sample_num), int(f.sample_den)},
	}
	if f.stamp_ns != math.MinInt64 {
		i.stamp = time.Duration(f.stamp_ns)
	}
	return i
}

// wanted states which frames a session needs.
type wanted struct {
	period    time.Duration // one frame in each such time is enough; 0: all
	keyFrames bool          // key frames are enough
}

func (w wanted) c() C.media_wanted {
	return C.media_wanted{period_ns: C.int64_t(w.period), key_frames: C.bool(w.keyFrames)}
}

// omit records why the frame was omitted, and reports whether it was.
func (i *frameInfo) omit(status C.media_status) bool {
	switch status {
	case C.MEDIA_OVER_RATE:
		i.omitted = overRate
	case C.MEDIA_IDLE:
		i.omitted = idle
	}
	return i.omitted != delivered
}

// fault returns the error for a status, nil for MEDIA_FRAME. content describes the streams, as far as they are known.
func (o mediaOptions) fault(status C.media_status, f C.media_frame, content string) error {
	switch status {
	case C.MEDIA_FRAME:
		return nil
	case C.MEDIA_END:
		return io.EOF
	case C.MEDIA_RESIZED:
		return errResized
	case C.MEDIA_TOO_LARGE:
		return faultf(ReasonTooLarge, "a frame of %.1f million pixels is larger than max_pixels (%.1f million); "+
			"lower the resolution, or raise max_pixels", float64(f.rejected_pixels)/1e6, float64(o.maxPixels)/1e6)
	case C.MEDIA_NO_VIDEO:
		if content == "" {
			return errors.New("it contains neither video nor sound")
		}
		return faultf(ReasonNoVideo, "no video in it, only %s; give a recording or stream with video", content)
	case C.MEDIA_NO_DECODER:
		return faultf(ReasonCodec, "FFmpeg has no decoder for %s; set the camera to H.264, H.265 or MJPEG", content)
	case C.MEDIA_FLOOD:
		return faultf(ReasonTooLarge, "64 MiB came without a frame; check that the url is that of a video stream")
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

// mapBlocks gives each frame and each tensor of C pages of its own, for the process. Otherwise they leave holes in the
// heap, because the networks and a decoder that starts anew need blocks of other sizes than before.
func mapBlocks() { C.media_map_blocks() }

// reader reads a container. Its methods except interrupt must be called from one goroutine.
type reader struct {
	options mediaOptions
	codec   string // of the video, once it was requested
	used    decoderUse
	spent   C.int64_t // CPU time of decoding, ns
	mu      sync.Mutex
	handle  unsafe.Pointer // nil after close
}

func newReader(options mediaOptions) (*reader, error) {
	var handle unsafe.Pointer
	options.with(func(o *C.media_options) { handle = C.reader_new(o) })
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
	return r.options.fault(status, f, r.info().streams)
}

// openFeed reads a stream from a feed, and takes ownership of the feed. The url must not contain credentials.
func (r *reader) openFeed(f *feed, url, format string) error {
	cURL, cFormat := C.CString(url), C.CString(format)
	defer C.free(unsafe.Pointer(cURL))
	defer C.free(unsafe.Pointer(cFormat))
	var frame C.media_frame
	status := C.reader_open_feed(r.handle, C.uintptr_t(cgo.NewHandle(f)), cURL, cFormat, &frame)
	return r.options.fault(status, frame, r.info().streams)
}

// next decodes the next frame, or omits it.
func (r *reader) next(w wanted) (frameInfo, error) {
	var f C.media_frame
	status := C.reader_next(r.handle, w.c(), &f)
	r.spent += f.cpu_ns
	if status == C.MEDIA_FRAME && r.used.changed(f) {
		var d C.media_decoder
		C.reader_decoder(r.handle, &d)
		r.used.set(d)
	}
	if info := newFrameInfo(f); status == C.MEDIA_FRAME || info.omit(status) {
		return info, nil
	}
	return frameInfo{}, r.options.fault(status, f, r.info().streams)
}

// picture returns the frame of the last next. The caller closes it.
func (r *reader) picture() (*picture, error) {
	return newPicture(func(width, height *C.int) unsafe.Pointer { return C.reader_picture(r.handle, width, height) })
}

// TryHardware opens the hardware decoders of the configuration for H.264, and describes the result: the one that a stream
// tries first, and why those before it cannot be opened. It returns nothing if none is configured.
func (c Config) TryHardware() string {
	names := c.HWAccel.decoders()
	if names == nil {
		return ""
	}
	cNames := C.CString(strings.Join(names, ","))
	defer C.free(unsafe.Pointer(cNames))
	var d C.media_decoder
	C.media_try_hardware(cNames, &d)
	var use decoderUse
	use.set(d)
	text := "none can be opened, so it decodes in software"
	if use.hardware != "" {
		text = use.hardware + " can be opened; doctor shows whether it is right and saves CPU time"
	}
	if use.refusals != "" {
		text += " (" + use.refusals + ")"
	}
	return text
}

// decoderUse is what decodes a stream.
type decoderUse struct {
	hardware string // name of the hardware decoder; empty: software
	refusals string // why hardware decoders are not used
	changes  C.int  // the number of changes that it includes
}

func (u *decoderUse) changed(f C.media_frame) bool {
	before := u.changes
	u.changes = f.changes
	return u.changes != before
}

func (u *decoderUse) set(d C.media_decoder) {
	u.hardware, u.refusals = C.GoString(&d.used[0]), C.GoString(&d.refusals[0])
}

// mediaInfo describes a container.
type mediaInfo struct {
	fps               float64
	declared, covered time.Duration // duration in the header, and duration that was read
	format, streams   string
	codec             string // of the video
}

func (r *reader) info() mediaInfo {
	var i C.media_info
	C.reader_info(r.handle, &i)
	return mediaInfo{
		fps:      float64(i.fps),
		declared: time.Duration(i.duration_us) * time.Microsecond,
		covered:  time.Duration(i.covered_us) * time.Microsecond,
		format:   C.GoString(&i.format[0]), streams: C.GoString(&i.streams[0]),
		codec: C.GoString(&i.codec[0]),
	}
}

// decoding implements meter. The codec is requested from FFmpeg until it is known.
func (r *reader) decoding() (string, time.Duration, decoderUse) {
	if r.codec == "" {
		r.codec = r.info().codec
	}
	return r.codec, time.Duration(r.spent), r.used
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

// packetDecoder decodes the packets of one stream.
type packetDecoder struct {
	options mediaOptions
	codec   string // name in FFmpeg
	used    decoderUse
	handle  unsafe.Pointer
	spent   C.int64_t // CPU time of decoding, ns
}

func newPacketDecoder(options mediaOptions, codec string) (*packetDecoder, error) {
	cCodec := C.CString(codec)
	defer C.free(unsafe.Pointer(cCodec))
	var f C.media_frame
	var handle unsafe.Pointer
	options.with(func(o *C.media_options) { handle = C.decoder_new(o, cCodec, &f) })
	if handle == nil {
		return nil, faultf(ReasonCodec, "FFmpeg has no decoder for %s (%s); set the camera to H.264, H.265 or MJPEG",
			codec, mediaError(f.error))
	}
	return &packetDecoder{options: options, codec: codec, handle: handle}, nil
}

// send passes a packet to the decoder, or omits its frame, which it returns then. After the error for a damaged packet,
// further packets may be sent.
func (d *packetDecoder) send(u unit, w wanted) (info frameInfo, omitted bool, err error) {
	if len(u.data) == 0 {
		return frameInfo{}, false, nil
	}
	var f C.media_frame
	status := C.decoder_send(d.handle, (*C.uint8_t)(unsafe.SliceData(u.data)), C.size_t(len(u.data)), C.bool(u.key),
		C.int64_t(u.stamp), w.c(), &f)
	d.spent += f.cpu_ns
	if info = newFrameInfo(f); info.omit(status) {
		return info, true, nil
	}
	return frameInfo{}, false, d.options.fault(status, f, d.codec)
}

// receive returns the next decoded frame; ok is false when a packet is needed.
func (d *packetDecoder) receive() (info frameInfo, ok bool, err error) {
	var f C.media_frame
	status := C.decoder_receive(d.handle, &f)
	d.spent += f.cpu_ns
	switch status {
	case C.MEDIA_FRAME:
		if d.used.changed(f) {
			var now C.media_decoder
			C.decoder_used(d.handle, &now)
			d.used.set(now)
		}
		return newFrameInfo(f), true, nil
	case C.MEDIA_MORE:
		return frameInfo{}, false, nil
	default:
		return frameInfo{}, false, d.options.fault(status, f, d.codec)
	}
}

// picture returns the frame of the last receive. The caller closes it.
func (d *packetDecoder) picture() (*picture, error) {
	return newPicture(func(width, height *C.int) unsafe.Pointer { return C.decoder_picture(d.handle, width, height) })
}

func (d *packetDecoder) close() { C.decoder_free(d.handle) }

// feed is a stream of bytes that FFmpeg reads, with a function that opens further addresses of the same server.
type feed struct {
	body io.ReadCloser
	open func(address string, offset, end int64) (io.ReadCloser, error) // nil: no further addresses
}

//export captureFeedRead
func captureFeedRead(handle C.uintptr_t, buffer *C.uint8_t, size C.int) C.int {
	f := cgo.Handle(handle).Value().(*feed) // reader.cpp returns the handle unchanged
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
	f := cgo.Handle(handle).Value().(*feed) // reader.cpp returns the handle unchanged
	if f.open == nil {
		return 0
	}
	body, err := f.open(C.GoString(address), int64(offset), int64(end))
	if err != nil {
		return 0 // the owner of the feed stores the error
	}
	return C.uintptr_t(cgo.NewHandle(&feed{body: body, open: f.open}))
}

//export captureFeedClose
func captureFeedClose(handle C.uintptr_t) {
	h := cgo.Handle(handle)
	_ = h.Value().(*feed).body.Close() // it was only read
	h.Delete()
}
