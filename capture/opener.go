package capture

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"gocv.io/x/gocv"
)

// opener opens a source. Calls that can block without an end are made under the watchdog.
type opener func(ctx context.Context, dog *watchdog) (input, error)

func newOpener(cfg Config, t target) opener {
	switch t.kind {
	case kindStream:
		return func(ctx context.Context, dog *watchdog) (input, error) { return openStream(ctx, dog, cfg, t) }
	case kindDevice:
		return func(_ context.Context, dog *watchdog) (input, error) { return openDevice(dog, cfg, t) }
	case kindPipeline:
		return func(_ context.Context, dog *watchdog) (input, error) { return openPipeline(dog, cfg, t) }
	case kindFolder:
		return func(context.Context, *watchdog) (input, error) { return openFolder(t.name, t.label) }
	case kindPicture:
		return func(context.Context, *watchdog) (input, error) { return &pictures{paths: []string{t.name}}, nil }
	default:
		return func(ctx context.Context, dog *watchdog) (input, error) { return openFile(ctx, dog, cfg, t) }
	}
}

// openStream knocks first: that can be given up, tells what is wrong, and keeps cameras that are off from holding the
// one place that OpenCV has for opening.
func openStream(ctx context.Context, dog *watchdog, cfg Config, t target) (input, error) {
	if err := knock(ctx, t.name, cfg.OpenTimeout); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", t.label, err)
	}
	v, err := openFFmpeg(ctx, dog, cfg, t)
	if errors.Is(err, errNotOpened) {
		return nil, fmt.Errorf("open %s: the server answers, but gave no video within %v; "+
			"check path, user, password and codec", t.label, cfg.OpenTimeout)
	}
	return v, err
}

func openFile(ctx context.Context, dog *watchdog, cfg Config, t target) (input, error) {
	v, err := openFFmpeg(ctx, dog, cfg, t)
	if errors.Is(err, errNotOpened) {
		return nil, fmt.Errorf("open %s: not a video that FFmpeg can read: damaged, cut short, or an unknown format; "+
			"see what ffprobe says", t.label)
	}
	return v, err
}

func openFFmpeg(ctx context.Context, dog *watchdog, cfg Config, t target) (input, error) {
	options := "rtsp_transport;" + cfg.Transport
	if t.live() {
		options += "|fpsprobesize;0" // waits for twenty frames otherwise, and the frames gathered meanwhile are stale
	}
	leave, err := ffmpegGate.enter(ctx, options)
	if err != nil {
		return nil, err
	}
	defer leave()
	dog.watch(cfg.OpenTimeout)
	defer dog.rest()
	v, err := openVideo(t.name, gocv.VideoCaptureFFmpeg, cfg.OpenTimeout, cfg.ReadTimeout)
	if err != nil {
		return nil, err
	}
	v.live, v.patience = t.live(), cfg.ReadTimeout
	return v, nil
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
	v, err := openVideo(t.name, api, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %s", t.label, advice)
	}
	v.live, v.patience = true, cfg.ReadTimeout
	return v, nil
}

// knock connects to the server of a URL and hangs up. Errors name host and port at most.
func knock(ctx context.Context, raw string, timeout time.Duration) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("not a valid URL") // parseURL has seen it; the error would quote it
	}
	scheme := strings.ToLower(u.Scheme)
	if strings.HasPrefix(scheme, "http") && os.Getenv("http_proxy") != "" {
		return nil // FFmpeg goes through the proxy, and there may be no other way
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"rtsp": "554", "rtsps": "322", "http": "80", "https": "443"}[scheme]
	}
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}
