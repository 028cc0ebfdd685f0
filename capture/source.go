package capture

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// grace is what a call may take beyond its deadline before it counts as blocked.
const grace = 500 * time.Millisecond

// The pauses after a refused login are long, because cameras lock an account after some wrong passwords.
const refusedMin, refusedMax = time.Minute, 15 * time.Minute

// Source reads one camera, stream, file or folder. Its methods may be called from any goroutine.
type Source struct {
	cfg    Config
	target target
	log    zerolog.Logger
	open   opener
	opened time.Time

	slot   *slot
	cancel context.CancelFunc
	first  chan struct{} // closed with the first frame
	done   chan struct{} // closed when the watching goroutine has ended

	timeline timeline // of a finite source, over all its rounds
	anchor   time.Time
	refused  backoff  // pauses after a refused login
	stuck    *session // abandoned and not back yet

	mu      sync.Mutex
	state   State
	stats   Stats
	logged  time.Time // when drops were logged last
	unsaid  uint64    // drops since then
	skipped time.Time // when a broken picture was logged last
}

// Open starts to read the source. A file or folder that cannot be read is an error at once; a live source that is not
// there yet is not, it is tried until Close. Close the Source in any case but an error.
func Open(cfg Config, log zerolog.Logger) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t, err := cfg.target()
	if err != nil {
		return nil, err
	}
	if t, err = t.resolve(); err != nil {
		return nil, err
	}
	return start(cfg, t, newOpener(cfg, t), log)
}

func start(cfg Config, t target, open opener, log zerolog.Logger) (*Source, error) {
	silenceOpenCV()
	ctx, cancel := context.WithCancel(context.Background())
	s := &Source{
		cfg:    cfg,
		target: t,
		log:    log.With().Str("component", "capture").Str("source", t.label).Logger(),
		open:   open,
		opened: time.Now(),
		slot:   newSlot(),
		cancel: cancel,
		first:  make(chan struct{}),
		done:   make(chan struct{}),
		state:  Connecting,

		refused: backoff{min: refusedMin, max: refusedMax},
	}
	if s.cfg.Start.IsZero() {
		s.cfg.Start = s.opened.Round(0)
	}
	go s.supervise(ctx)
	if t.live() {
		return s, nil
	}
	select {
	case <-s.first:
		return s, nil
	case <-s.done:
	}
	select {
	case <-s.first: // a source of one frame may be over by now
		return s, nil
	default:
	}
	return nil, errors.Join(s.slot.failure(), s.Close())
}

// Next waits for a frame that was not returned before and puts it into dst, whose Mat it takes in exchange (see the
// package comment). dst.Mat must be open and must not share its pixels with another Mat.
//
// It returns io.EOF after the last frame of a file or folder, the fault when a file fails on the way, ErrClosed after
// Close, and the error of ctx; dst is then unchanged.
func (s *Source) Next(ctx context.Context, dst *Frame) error {
	if dst.Mat.Ptr() == nil {
		return errors.New("frame has no Mat; create it with gocv.NewMat")
	}
	return s.slot.take(ctx, dst)
}

// State returns what the source is doing now.
func (s *Source) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Stats returns the counts so far.
func (s *Source) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Close ends the source and frees what it holds; a Next that waits returns ErrClosed. It takes ReadTimeout and a second
// at most. When a call into OpenCV is blocked beyond that, it is abandoned and Close says so. Closing again is harmless.
func (s *Source) Close() error {
	s.slot.end(ErrClosed)
	s.cancel()
	<-s.done
	s.slot.free()
	if s.stuck == nil {
		return nil
	}
	select {
	case <-s.stuck.ended:
		return nil
	default:
		return s.stuck.blocked()
	}
}
