package capture

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"gocv.io/x/gocv"
)

// openPath opens a video file, an image, or a directory of images.
func openPath(ctx context.Context, cfg Config, t target, _ *watchdog) (input, error) {
	path, err := filepath.Abs(t.rest) // FFmpeg would interpret "a:b.mp4" as a protocol
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", t.label, err)
	}
	info, err := readable(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open %s: %w; check the path", t.label, fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("open %s: %w; allow the user of this program to read it", t.label, fs.ErrPermission)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", t.label, err)
	case info.IsDir():
		return openDirectory(path, t.label, int(cfg.MaxPixels))
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("open %s: neither a file nor a directory; a camera is given as /dev/videoN", t.label)
	case IsImageFile(path):
		return &imageFiles{paths: []string{path}, maxPixels: int(cfg.MaxPixels), single: true}, nil
	default:
		return openVideoFile(ctx, cfg, path, t.label)
	}
}

// readable returns the error of opening a regular file or a directory. It does not open others, because a pipe can
// block.
func readable(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return info, err
	}
	file, err := os.Open(path) //nolint:gosec // the configuration names the file
	if err != nil {
		return info, err
	}
	return info, file.Close()
}

// videoFile is a video file, read by FFmpeg.
type videoFile struct {
	reader     *reader
	disconnect func() bool // the reader from the context
}

func openVideoFile(ctx context.Context, cfg Config, path, label string) (input, error) {
	options, err := cfg.media(false)
	if err != nil {
		return nil, err
	}
	r, err := newReader(options)
	if err != nil {
		return nil, err
	}
	v := &videoFile{reader: r, disconnect: context.AfterFunc(ctx, r.interrupt)}
	if err := r.openFile(path); err != nil {
		v.close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if reasonOf(err) != "" {
			return nil, fmt.Errorf("open %s: %w", label, err)
		}
		return nil, fmt.Errorf("open %s: not a video that FFmpeg can read: damaged, cut short, or an unknown format "+
			"(%w); check it with ffprobe", label, err)
	}
	return v, nil
}

func (v *videoFile) read(ctx context.Context, w wanted, _ *gocv.Mat) (frameInfo, error) {
	info, err := v.reader.next(w)
	if errors.Is(err, context.Canceled) {
		err = errors.Join(ctx.Err(), err)
	}
	return info, err
}

func (v *videoFile) picture() (*picture, error) { return v.reader.picture() }

func (v *videoFile) decoding() (string, time.Duration, decoderUse) { return v.reader.decoding() }

func (v *videoFile) shape() shape { return shape{fps: plausible(v.reader.info().fps), timed: true} }

// missing reports whether the file ended early: it returns the duration that was read and the duration in its header.
func (v *videoFile) missing() (read, declared time.Duration, early bool) {
	i := v.reader.info()
	gap := i.declared - i.covered
	return i.covered, i.declared, i.declared > 0 && gap > time.Second && gap > i.declared/10
}

func (v *videoFile) close() {
	v.disconnect()
	v.reader.close()
}
