package capture

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"gocv.io/x/gocv"
)

// opener opens a source. Calls that can block without an end are made under the watchdog.
type opener func(ctx context.Context, dog *watchdog) (input, error)

func newOpener(cfg Config, t target) opener {
	switch t.kind {
	case kindStream:
		return func(ctx context.Context, _ *watchdog) (input, error) { return openStream(ctx, cfg, t) }
	case kindDevice:
		return func(_ context.Context, dog *watchdog) (input, error) { return openDevice(dog, cfg, t) }
	case kindPipeline:
		return func(_ context.Context, dog *watchdog) (input, error) { return openPipeline(dog, cfg, t) }
	case kindFolder:
		return func(context.Context, *watchdog) (input, error) {
			return openFolder(t.name, t.label, int(cfg.MaxPixels))
		}
	case kindPicture:
		return func(context.Context, *watchdog) (input, error) { return openPicture(t, int(cfg.MaxPixels)), nil }
	default:
		return func(ctx context.Context, _ *watchdog) (input, error) { return openFile(ctx, cfg, t) }
	}
}

// openStream opens a live stream over the network. Its calls end at their deadlines, so no watchdog is needed.
func openStream(ctx context.Context, cfg Config, t target) (input, error) {
	if strings.HasPrefix(strings.ToLower(t.name), "rtsp") {
		return openRTSP(ctx, cfg, t)
	}
	return openHTTP(ctx, cfg, t)
}

func openDevice(dog *watchdog, cfg Config, t target) (input, error) {
	file, err := os.OpenFile(t.name, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, deviceFault(t.label, err)
	}
	if err := file.Close(); err != nil {
		return nil, deviceFault(t.label, err)
	}
	return openLive(dog, cfg, t, gocv.VideoCaptureV4L2,
		"it gave no picture format; check that it is a capture device (v4l2-ctl --list-devices) and that nothing else uses it")
}

// deviceFault says what to do about a device file that cannot be opened.
func deviceFault(label string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open %s: %w; is the camera plugged in? ls /dev/video* shows what is there", label, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("open %s: %w; add the user of this program to the group video", label, err)
	case errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("open %s: %w; another program uses the camera", label, err)
	default:
		return fmt.Errorf("open %s: %w", label, err)
	}
}

func openPipeline(dog *watchdog, cfg Config, t target) (input, error) {
	return openLive(dog, cfg, t, gocv.VideoCaptureGstreamer,
		"GStreamer refused the pipeline; try it with gst-launch-1.0, and check that OpenCV was built with GStreamer")
}

func openLive(dog *watchdog, cfg Config, t target, api gocv.VideoCaptureAPI, advice string) (input, error) {
	dog.watch(cfg.OpenTimeout)
	defer dog.rest()
	v, err := openVideo(t.name, api, cfg.ReadTimeout)
	if err != nil {
		return nil, fmt.Errorf("open %s: %s", t.label, advice)
	}
	return v, nil
}
