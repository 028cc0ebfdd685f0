package capture

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"
)

// The pauses after a refused login are long, because cameras lock an account after some wrong passwords.
const refusedMin, refusedMax = time.Minute, 15 * time.Minute

// Source captures one camera, stream, file or directory. Its methods may be called from any goroutine.
type Source struct {
	cfg    Config
	target target
	log    zerolog.Logger
	opened time.Time

	latest *latestFrame
	cancel context.CancelFunc
	first  chan struct{} // closed with the first frame
	done   chan struct{} // closed when supervise has ended

	period atomic.Int64 // ns, of which one frame is delivered; 0: all are
	idle   atomic.Bool  // nothing moves

	// For supervise and the session.
	timeline timeline  // of a finite source, over all its rounds
	begin    time.Time // the time of position 0 at pace Native; zero before the first frame
	lost     *backoff.ExponentialBackOff
	refused  *backoff.ExponentialBackOff // after a refused login
	blocked  *session                    // abandoned, and has not returned

	mu          sync.Mutex
	state       State
	stats       Stats
	begun       bool      // a frame was delivered
	hardware    string    // decoder in use that was logged
	dropsLogged time.Time // time of the last log message about drops
	unlogged    uint64    // drops since then
	skipLogged  time.Time // time of the last log message about a damaged image
}

// Open opens a source. It returns an error if a file or directory cannot be read. A live source that cannot be reached
// is no error: it is tried until Close. The caller must close the Source.
func Open(cfg Config, log zerolog.Logger) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t, err := cfg.target()
	if err != nil {
		return nil, err
	}
	return start(cfg, t, log)
}

func start(cfg Config, t target, log zerolog.Logger) (*Source, error) {
	silenceOpenCV()
	mapBlocks()
	ctx, cancel := context.WithCancel(context.Background())
	s := &Source{
		cfg:     cfg,
		target:  t,
		log:     log.With().Str("component", "capture").Str("source", t.label).Logger(),
		opened:  time.Now(),
		latest:  newLatestFrame(),
		cancel:  cancel,
		first:   make(chan struct{}),
		done:    make(chan struct{}),
		lost:    newBackOff(cfg.ReconnectMin, cfg.ReconnectMax),
		refused: newBackOff(refusedMin, refusedMax),
		state:   Connecting,
	}
	if s.cfg.Start.IsZero() {
		s.cfg.Start = s.opened.Round(0)
	}
	s.SetMaxFPS(cfg.MaxFPS)
	go s.supervise(ctx)
	if t.live {
		return s, nil
	}
	select {
	case <-s.first:
		return s, nil
	case <-s.done:
	}
	select {
	case <-s.first: // a source of one frame may have ended
		return s, nil
	default:
	}
	return nil, errors.Join(s.latest.failure(), s.Close())
}

// Next waits for a frame that it has not returned before, and fills the Mat in dst with it, or exchanges it for that of the
// frame (see the package comment). dst.Mat must be open, and must not share its pixels with another Mat.
//
// It returns io.EOF after the last frame of a file or directory, an error if a file cannot be read further, ErrClosed
// after Close, and the error of ctx when ctx ends; dst is then unchanged, unless memory was short.
func (s *Source) Next(ctx context.Context, dst *Frame) error {
	if dst.Mat.Ptr() == nil {
		return errors.New("frame has no Mat; create it with gocv.NewMat")
	}
	before := dst.Mat.Cols() * dst.Mat.Rows()
	spent, err := s.latest.take(ctx, dst)
	if spent > 0 {
		s.countConversion(spent)
		trimAfter(before, &dst.Mat)
	}
	return err
}

// SetMaxFPS limits the frames that Next returns to this number a second, by their timestamps; 0: all. The others are
// not converted, and those that no other frame refers to are not even decoded. It takes effect with the next frame.
func (s *Source) SetMaxFPS(fps float64) {
	period := time.Duration(0)
	if fps > 0 {
		period = time.Duration(float64(time.Second) / fps)
	}
	s.period.Store(int64(period))
}

// SetIdle states whether nothing moves before the camera. With Config.Idle IdleKeyFrames, only key frames are decoded
// from the next one on, while it is set. Decoding resumes with the next frame if that is less than 64 frames after a key
// frame, otherwise with the next key frame. Codecs that have key frames only, or do not mark them, are not affected.
func (s *Source) SetIdle(still bool) { s.idle.Store(still) }

// wanted returns which frames a session needs.
func (s *Source) wanted() wanted {
	paced := s.target.live || s.cfg.Pace == Native
	return wanted{
		period:    time.Duration(s.period.Load()),
		keyFrames: paced && s.cfg.Idle == IdleKeyFrames && s.idle.Load(),
	}
}

// Live reports whether the source is a camera or a stream: it has no end, and Frame.Time is the wall clock.
func (s *Source) Live() bool { return s.target.live }

// Close ends the source and frees its memory. A call of Next that waits returns ErrClosed. Close takes at most
// ReadTimeout and a second. It returns an error if a call into OpenCV is blocked for longer, and abandons that call. It
// may be called again.
func (s *Source) Close() error {
	s.latest.end(ErrClosed)
	s.cancel()
	<-s.done
	s.latest.free()
	if s.blocked == nil {
		return nil
	}
	select {
	case <-s.blocked.ended:
		return nil
	default:
		return s.blocked.abandoned()
	}
}
