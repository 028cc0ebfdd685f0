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
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"gocv.io/x/gocv"
)

// maxFailedReads is the maximum number of consecutive reads without a frame. OpenCV returns none for a damaged packet
// and none at the end of the stream, and does not report which of the two it was.
const maxFailedReads = 256

// device is a V4L2 camera or a GStreamer pipeline, read by OpenCV.
type device struct {
	handle  unsafe.Pointer
	timeout time.Duration // how long damaged frames are skipped
}

func openDevice(_ context.Context, cfg Config, t target, w *watchdog) (input, error) {
	file, err := os.OpenFile(t.url, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, deviceFault(t.label, err)
	}
	if err := file.Close(); err != nil {
		return nil, deviceFault(t.label, err)
	}
	d, err := newDevice(t.url, gocv.VideoCaptureV4L2, cfg, w)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w; check that it is a capture device (v4l2-ctl --list-devices) and that no other "+
			"program uses it", t.label, err)
	}
	return d, nil
}

// deviceFault returns the error for a device file that cannot be opened, with the fix.
func deviceFault(label string, err error) error {
	err = cause(err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open %s: %w; is the camera plugged in? ls /dev/video* lists the devices", label, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("open %s: %w; add the user of this program to the group video", label, err)
	case errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("open %s: %w; another program uses the camera", label, err)
	default:
		return fmt.Errorf("open %s: %w", label, err)
	}
}

func checkPipeline(url string) error {
	if !strings.Contains(url, "appsink") {
		return errors.New("the pipeline has no appsink; end it in \"! appsink\"")
	}
	return nil
}

func openPipeline(_ context.Context, cfg Config, t target, w *watchdog) (input, error) {
	d, err := newDevice(t.rest, gocv.VideoCaptureGstreamer, cfg, w)
	if err != nil {
		return nil, fmt.Errorf("open %s: GStreamer refused the pipeline; try it with gst-launch-1.0, and check that OpenCV "+
			"was built with GStreamer", t.label)
	}
	return d, nil
}

// newDevice opens a device or pipeline with a back end of OpenCV, which reports no reason if it fails.
func newDevice(name string, api gocv.VideoCaptureAPI, cfg Config, w *watchdog) (*device, error) {
	w.start(cfg.OpenTimeout)
	defer w.stop()
	cName := C.CString(name)
	defer C.free(unsafe.Pointer(cName))
	handle := C.capture_open(cName, C.int(api))
	if handle == nil {
		return nil, errors.New("OpenCV cannot open it")
	}
	return &device{handle: handle, timeout: cfg.ReadTimeout}, nil
}

func (d *device) read(ctx context.Context, _ wanted, dst *gocv.Mat) (frameInfo, error) {
	started := time.Now()
	for range maxFailedReads {
		if C.capture_read(d.handle, unsafe.Pointer(dst.Ptr())) {
			stamp := d.get(gocv.VideoCapturePosMsec) * float64(time.Millisecond)
			return frameInfo{stamp: time.Duration(stamp)}, nil
		}
		if err := ctx.Err(); err != nil {
			return frameInfo{}, err
		}
		if time.Since(started) >= d.timeout {
			return frameInfo{}, fmt.Errorf("no readable frame within %v", d.timeout)
		}
	}
	return frameInfo{}, io.EOF
}

func (d *device) shape() shape { return shape{fps: plausible(d.get(gocv.VideoCaptureFPS))} }

func (d *device) get(property gocv.VideoCaptureProperties) float64 {
	return float64(C.capture_get(d.handle, C.int(property)))
}

func (d *device) close() {
	C.capture_close(d.handle)
	d.handle = nil
}

// silenceOpenCV turns off OpenCV's messages, for the process.
func silenceOpenCV() { C.log_silence() }
