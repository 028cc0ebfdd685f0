package capture

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"gocv.io/x/gocv"
)

// ErrClosed is the error of Next after Close.
var ErrClosed = errors.New("source is closed")

// Frame is one frame or image of a source. The caller creates Mat with gocv.NewMat and closes it; see Source.Next.
type Frame struct {
	Mat gocv.Mat // 8-bit BGR, full resolution, pixels square, upright by the metadata of the file

	// Time is the wall clock at which a live frame was complete. For a file it is Config.Start + Position.
	Time time.Time
	// Sequence numbers the captured frames from 1. A gap is the number of frames that were dropped, or not delivered
	// because of SetMaxFPS or SetIdle.
	Sequence uint64
	// Position is the time since the beginning of a file, from its timestamps, and always increases. The images of a
	// directory are 40 ms apart. For a live source it is the time since Open.
	Position time.Duration
}

// latestFrame holds the newest frame until it is taken. A newer frame replaces it. A frame of a decoder is held as a
// picture, which is converted when it is taken: half of the memory, and no work for a frame that is replaced.
type latestFrame struct {
	filled  chan struct{} // capacity 1: a frame may be available
	emptied chan struct{} // capacity 1: the frame may have been taken
	ended   chan struct{} // closed with the first error

	mu      sync.Mutex
	frame   Frame
	picture *picture // its pixels; nil: they are in its Mat
	full    bool
	number  uint64 // of the last frame
	failed  error  // of a conversion, for the next put
	err     error  // what take returns after the last frame
}

func newLatestFrame() *latestFrame {
	return &latestFrame{
		filled:  make(chan struct{}, 1),
		emptied: make(chan struct{}, 1),
		ended:   make(chan struct{}),
		frame:   Frame{Mat: gocv.NewMat()},
	}
}

// put numbers f and replaces the held frame by it. It takes ownership of p, the pixels of f; without p it exchanges the
// Mats of both. Before the new frame can be taken, it calls count with whether a frame was dropped. If ctx has ended, or
// the frame before could not be converted, it changes nothing and returns the error.
func (l *latestFrame) put(ctx context.Context, f *Frame, p *picture, count func(dropped bool)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := cmp.Or(ctx.Err(), l.err, l.failed); err != nil {
		p.close()
		return err
	}
	l.picture.close()
	if l.picture = p; p == nil {
		f.Mat, l.frame.Mat = l.frame.Mat, f.Mat
	}
	l.number++
	l.frame = Frame{Mat: l.frame.Mat, Time: f.Time, Sequence: l.number, Position: f.Position}
	count(l.full)
	l.full = true
	signal(l.filled)
	return nil
}

// omit numbers a frame that is not delivered.
func (l *latestFrame) omit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
}

// awaitEmpty waits until the frame has been taken.
func (l *latestFrame) awaitEmpty(ctx context.Context) error {
	for {
		l.mu.Lock()
		full := l.full
		l.mu.Unlock()
		if !full {
			return ctx.Err()
		}
		select {
		case <-l.emptied:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take waits for a frame and exchanges it with dst, or converts it into the Mat of dst, and returns the CPU time of that.
// After ctx has ended it takes no frame, even if there is one, so that a reader that is slower than its source ends.
func (l *latestFrame) take(ctx context.Context, dst *Frame) (spent time.Duration, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return spent, err
		}
		if took, done, err := l.takeNow(dst); done || err != nil {
			return spent + took, err
		}
		select {
		case <-l.filled:
		case <-l.ended:
		case <-ctx.Done():
			return spent, ctx.Err()
		}
	}
}

// takeNow is take without waiting. It returns false if there is no frame. One that cannot be converted is dropped.
func (l *latestFrame) takeNow(dst *Frame) (spent time.Duration, done bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.full {
		return 0, false, l.err
	}
	l.full = false
	signal(l.emptied)
	if l.picture == nil {
		l.frame, *dst = *dst, l.frame
		return 0, true, nil
	}
	spent, l.failed = l.picture.convert(&dst.Mat)
	l.picture.close()
	l.picture = nil
	if l.failed != nil {
		return spent, false, l.err
	}
	dst.Time, dst.Sequence, dst.Position = l.frame.Time, l.frame.Sequence, l.frame.Position
	return spent, true, nil
}

// discard drops the frame, frees its memory if that is large, and reports whether there was a frame.
func (l *latestFrame) discard() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	dropped := l.full
	l.full, l.failed = false, nil
	l.picture.close()
	l.picture = nil
	if mat := l.frame.Mat; l.err == nil && mat.Cols()*mat.Rows() >= largeFrame {
		_ = mat.Close() // always nil
		l.frame.Mat = gocv.NewMat()
	}
	signal(l.emptied)
	return dropped
}

// end makes take return err after the last frame. Only the first error counts.
func (l *latestFrame) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	if l.err = err; l.failed != nil && errors.Is(err, io.EOF) {
		l.err = l.failed
	}
	close(l.ended)
}

// failure returns the error of end.
func (l *latestFrame) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// free drops the frame and closes its Mat. end must have been called.
func (l *latestFrame) free() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frame.Mat.Ptr() == nil {
		return
	}
	l.full, l.err = false, ErrClosed
	l.picture.close()
	l.picture = nil
	_ = l.frame.Mat.Close() // always nil
}

// signal sends a token unless c holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
