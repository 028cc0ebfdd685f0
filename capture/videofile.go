package capture

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gocv.io/x/gocv"
)

// videoFile is a video file, read by FFmpeg.
type videoFile struct {
	reader *reader
	stop   func() bool // disconnects the reader from the context
	seen   picture
}

func openFile(ctx context.Context, cfg Config, t target) (input, error) {
	options, err := cfg.media(false)
	if err != nil {
		return nil, err
	}
	r, err := newReader(options)
	if err != nil {
		return nil, err
	}
	v := &videoFile{reader: r, stop: context.AfterFunc(ctx, r.interrupt)}
	if err := r.openFile(t.name); err != nil {
		v.close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if reasonOf(err) != "" {
			return nil, fmt.Errorf("open %s: %w", t.label, err)
		}
		return nil, fmt.Errorf("open %s: not a video that FFmpeg can read: damaged, cut short, or an unknown format "+
			"(%w); check it with ffprobe", t.label, err)
	}
	return v, nil
}

func (v *videoFile) read(ctx context.Context, dst *gocv.Mat) (time.Duration, error) {
	pic, err := v.reader.next(dst)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return 0, errors.Join(ctx.Err(), err)
		}
		return 0, err
	}
	v.seen = pic
	return pic.stamp, nil
}

func (v *videoFile) shape() shape {
	fps := v.reader.info().fps
	if !saneRate(fps) {
		fps = 0
	}
	return shape{fps: fps}
}

func (v *videoFile) picture() picture { return v.seen }

// missing reports whether a file has ended early: it returns the duration that was read and the duration in its header.
func (v *videoFile) missing() (read, declared time.Duration, early bool) {
	i := v.reader.info()
	gap := i.declared - i.covered
	return i.covered, i.declared, i.declared > 0 && gap > time.Second && gap > i.declared/10
}

func (v *videoFile) close() {
	v.stop()
	v.reader.close()
}
