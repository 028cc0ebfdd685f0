package capture

import (
	"context"
	"errors"
	"os"
)

// The environment variables that OpenCV reads, with C's getenv, each time it opens a video; os.Setenv reaches C in a
// program with cgo.
const (
	ffmpegOptions  = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
	ffmpegLogLevel = "OPENCV_FFMPEG_LOGLEVEL"
	ffmpegDebug    = "OPENCV_FFMPEG_DEBUG"
	ffmpegQuiet    = "-8" // AV_LOG_QUIET
)

// ffmpegGate lets one video be opened at a time in the process: the options of one must not reach another.
//
//nolint:gochecknoglobals // the environment is one for the process, so is its guard
var ffmpegGate = newGate()

// gate guards the environment. A channel and not a mutex, so that waiting for it can be given up.
type gate struct {
	free  chan struct{}
	given string // the options that were in the environment first
	ready bool
}

func newGate() *gate {
	g := &gate{free: make(chan struct{}, 1)}
	g.free <- struct{}{}
	return g
}

// enter waits its turn, sets the environment for an open with these options, and returns what ends the turn.
func (g *gate) enter(ctx context.Context, options string) (leave func(), err error) {
	select {
	case <-g.free:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	leave = func() { g.free <- struct{}{} }
	if err := g.prepare(options); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

func (g *gate) prepare(options string) error {
	if !g.ready {
		g.ready = true
		g.given = os.Getenv(ffmpegOptions)
		if err := errors.Join(setenv(ffmpegLogLevel, ffmpegQuiet), os.Unsetenv(ffmpegDebug)); err != nil {
			return err
		}
	}
	if g.given != "" {
		options += "|" + g.given // the later of two equal keys holds
	}
	return setenv(ffmpegOptions, options)
}

// setenv sets a variable when it differs: C programs read the environment without a lock, so it is touched rarely.
func setenv(key, value string) error {
	if os.Getenv(key) == value {
		return nil
	}
	return os.Setenv(key, value)
}
