package capture

import (
	"context"
	"errors"
	"sync"
	"time"

	"gocv.io/x/gocv"
)

// ErrClosed is returned by Next when the Source has been closed.
var ErrClosed = errors.New("source is closed")

// Frame is one picture of a source. Its creator makes Mat with gocv.NewMat and closes it; see Source.Next.
type Frame struct {
	Mat gocv.Mat // 8-bit BGR, full resolution, pixels square, upright by the metadata of the file

	// Time is the wall clock at which a live frame was complete. For a file it is Config.Start + Position.
	Time time.Time
	// Sequence numbers the captured frames from 1; a gap is a number of dropped frames.
	Sequence uint64
	// Position is the time since the beginning of a file, from its timestamps, always rising; a picture in a folder
	// counts as PicturePeriod. For a live source it is the time since Open.
	Position time.Duration
}

// slot holds the newest frame. It is the only place where frames change hands, and it drops by counting.
type slot struct {
	filled  chan struct{} // one token: look again
	emptied chan struct{} // one token: look again
	ended   chan struct{} // closed with the last error

	mu     sync.Mutex
	frame  Frame
	full   bool
	number uint64 // of the last frame put
	err    error  // what take returns when there is no frame and will be none
}

func newSlot() *slot {
	return &slot{
		filled:  make(chan struct{}, 1),
		emptied: make(chan struct{}, 1),
		ended:   make(chan struct{}),
		frame:   Frame{Mat: gocv.NewMat()},
	}
}

// put swaps f in as the newest frame and numbers it. Before anybody can take it, it calls count with whether a frame
// that nobody took was lost. After ctx has ended it changes nothing and returns its error.
func (s *slot) put(ctx context.Context, f *Frame, count func(dropped bool)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.err != nil {
		return s.err
	}
	s.number++
	f.Sequence = s.number
	s.frame, *f = *f, s.frame
	count(s.full)
	s.full = true
	signal(s.filled)
	return nil
}

// awaitEmpty returns when the frame in the slot has been taken.
func (s *slot) awaitEmpty(ctx context.Context) error {
	for {
		s.mu.Lock()
		full := s.full
		s.mu.Unlock()
		if !full {
			return ctx.Err()
		}
		select {
		case <-s.emptied:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take swaps the newest frame out into dst, waiting for one if need be.
func (s *slot) take(ctx context.Context, dst *Frame) error {
	for {
		s.mu.Lock()
		if s.full {
			s.frame, *dst = *dst, s.frame
			s.full = false
			signal(s.emptied)
			s.mu.Unlock()
			return nil
		}
		err := s.err
		s.mu.Unlock()
		if err != nil {
			return err
		}
		select {
		case <-s.filled:
		case <-s.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// discard drops the waiting frame, frees its memory if that is large, and reports whether there was a frame.
func (s *slot) discard() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.full
	s.full = false
	if mat := s.frame.Mat; s.err == nil && mat.Cols()*mat.Rows() >= trimmed {
		_ = mat.Close() // always nil
		s.frame.Mat = gocv.NewMat()
	}
	signal(s.emptied)
	return was
}

// end lets take return err once the waiting frame has been taken. The first error stays.
func (s *slot) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	close(s.ended)
}

// failure returns the error that the slot has ended with.
func (s *slot) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// free throws the waiting frame away and frees the slot's Mat. The slot must have ended.
func (s *slot) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frame.Mat.Ptr() == nil {
		return
	}
	s.full, s.err = false, ErrClosed
	_ = s.frame.Mat.Close() // always nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
