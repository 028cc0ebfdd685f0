package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gocv.io/x/gocv"
)

// session is one connection to the source, from open to loss. One goroutine makes all its calls.
type session struct {
	source   *Source
	cancel   context.CancelFunc
	watchdog *watchdog
	ended    chan struct{} // closed when the goroutine has freed everything

	// Written by the goroutine. Others may read them when it has ended.
	shape   shape
	err     error
	healthy time.Duration // from the first frame to the last
	frames  int           // decoded
	omitted int           // not even decoded
	grid    grid          // selects the frames that are delivered
	current frameInfo     // of the last read
	last    frameInfo     // of the last frame that observe processed
	largest int           // pixels of the largest frame
	metered time.Duration // CPU time of decoding that Stats has
}

func (s *Source) connect(ctx context.Context) *session {
	ctx, cancel := context.WithCancel(ctx)
	c := &session{source: s, cancel: cancel, watchdog: newWatchdog(), ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		defer cancel()
		c.err = c.run(ctx)
	}()
	return c
}

// run captures until the session ends, and returns the reason.
func (c *session) run(ctx context.Context) error {
	cfg, t := c.source.cfg, c.source.target
	in, err := t.open(ctx, cfg, t, c.watchdog)
	if err != nil {
		return err
	}
	defer func() {
		c.watchdog.start(cfg.ReadTimeout)
		defer c.watchdog.stop()
		in.close()
		if c.largest >= largeFrame {
			trim()
		}
	}()
	c.shape = in.shape()
	if c.shape.slowest == 0 {
		c.shape.slowest = cfg.ReadTimeout
	}
	frame := Frame{Mat: gocv.NewMat()}
	defer func() { _ = frame.Mat.Close() }() // always nil
	if t.live {
		return c.captureLive(ctx, in, &frame)
	}
	return c.captureRound(ctx, in, &frame)
}

// captureLive captures a live source.
func (c *session) captureLive(ctx context.Context, in input, frame *Frame) error {
	var first time.Time
	stale := 0
	filter := newStaleFilter(period(c.shape.fps), time.Now())
	filter.done = c.shape.current
	for {
		before := time.Now()
		stamp, err := c.read(ctx, in, frame)
		switch {
		case errors.Is(err, errUnreadable):
			c.source.countSkipped(err)
			continue
		case errors.Is(err, errUnchanged):
			c.healthy = time.Since(first)
			continue
		case errors.Is(err, io.EOF):
			return endedFault(stale > 0 && c.frames == 0)
		case err != nil:
			return err
		}
		frame.Time = time.Now()
		frame.Position = frame.Time.Sub(c.source.opened)
		if filter.stale(stamp, frame.Time.Sub(before), frame.Time) {
			stale++
			c.source.countStale()
			continue
		}
		if c.frames == 0 {
			first = frame.Time
		}
		c.healthy = frame.Time.Sub(first)
		if c.healthy > 0 {
			c.shape.fps = float64(c.frames+c.omitted) / c.healthy.Seconds()
		}
		if err := c.deliver(ctx, in, stamp, frame); err != nil {
			return err
		}
	}
}

// endedFault returns the fault of a live source at its end.
func endedFault(allStale bool) error {
	if allStale {
		return faultf(ReasonEnded, "the stream ended before its first current frame; if it is a recording, download it "+
			"and give its path")
	}
	return faultf(ReasonEnded, "the stream ended")
}

// captureRound captures a finite source from its beginning to its end.
func (c *session) captureRound(ctx context.Context, in input, frame *Frame) error {
	s := c.source
	step := period(c.shape.fps)
	for {
		stamp, err := c.read(ctx, in, frame)
		switch {
		case errors.Is(err, errUnreadable):
			s.countSkipped(err)
			continue
		case errors.Is(err, errResized):
			return fmt.Errorf("read %s: at %v %w; cut the recording there", s.target.label,
				s.timeline.last.Round(time.Millisecond), err)
		case errors.Is(err, io.EOF):
			return c.endOfRound(in, step)
		case err != nil:
			return err
		}
		if c.current.omitted == delivered {
			frame.Position = s.timeline.next(stamp, step)
			frame.Time = s.cfg.Start.Add(frame.Position)
		}
		if err := c.deliver(ctx, in, stamp, frame); err != nil {
			return err
		}
	}
}

// endOfRound returns io.EOF, or an error if the source had no frame.
func (c *session) endOfRound(in input, step time.Duration) error {
	s := c.source
	if c.frames == 0 {
		return fmt.Errorf("read %s: no frame in it can be read; it is damaged or of an unknown codec", s.target.label)
	}
	if v, ok := in.(*videoFile); ok {
		if read, declared, early := v.missing(); early {
			s.log.Warn().Str("read", read.Round(time.Millisecond).String()).Str("declared",
				declared.Round(time.Millisecond).String()).
				Msg("the file ends early; it is damaged or cut short")
		}
	}
	s.timeline.startRound(step)
	return io.EOF
}

// pace waits until a frame of a finite source is due: at pace Native by the clock, otherwise when the previous one has
// been taken.
func (c *session) pace(ctx context.Context, position time.Duration) error {
	s := c.source
	if !c.shape.timed || s.cfg.Pace == Fast {
		return s.latest.awaitEmpty(ctx)
	}
	if s.begin.IsZero() {
		s.begin = time.Now().Add(-position)
	}
	return sleep(ctx, time.Until(s.begin.Add(position)))
}

// read reads the next frame and returns its timestamp. Unless in is a decoder, it fills frame.Mat.
func (c *session) read(ctx context.Context, in input, frame *Frame) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if c.source.target.live { // a large image may take longer on a slow board
		c.watchdog.start(c.shape.slowest)
		defer c.watchdog.stop()
	}
	before := frame.Mat.Cols() * frame.Mat.Rows()
	info, err := in.read(ctx, c.source.wanted(), &frame.Mat)
	c.current = info
	if _, decodes := in.(decoder); err == nil && !decodes {
		trimAfter(before, &frame.Mat)
		c.observe(info, frame.Mat.Cols(), frame.Mat.Rows())
	}
	return info.stamp, err
}

// deliver makes the frame of the last read the newest one, or omits it. A frame of a finite source waits until it is due.
func (c *session) deliver(ctx context.Context, in input, stamp time.Duration, frame *Frame) error {
	s := c.source
	live, why := s.target.live, c.current.omitted
	if stamp == 0 && c.frames > 0 { // unknown
		stamp = frame.Position
	}
	switch {
	case why == idle && !live: // as a camera, which sends no packet before its time
		if err := c.pace(ctx, stamp+s.timeline.offset); err != nil {
			return err
		}
	case why == delivered && !c.grid.selects(stamp, s.wanted().period, time.Now(), live):
		why = overRate
	}
	if why != delivered {
		c.omit(in, why)
		return ctx.Err()
	}
	if !live {
		if err := c.pace(ctx, frame.Position); err != nil {
			return err
		}
	}
	return c.publish(ctx, in, frame)
}

// omit counts a captured frame that is not delivered.
func (c *session) omit(in input, why omission) {
	if c.current.omitted == delivered {
		c.frames++
	} else {
		c.omitted++
	}
	c.source.latest.omit()
	c.meter(in)
	c.source.countOmitted(why)
}

// publish makes the frame of the last read the newest one.
func (c *session) publish(ctx context.Context, in input, frame *Frame) error {
	width, height := frame.Mat.Cols(), frame.Mat.Rows()
	var p *picture
	if d, decodes := in.(decoder); decodes {
		var err error
		if p, err = d.picture(); err != nil {
			return fmt.Errorf("read %s: %w", c.source.target.label, err)
		}
		width, height = p.width, p.height
		c.observe(c.current, width, height)
	}
	err := c.source.latest.put(ctx, frame, p, func(dropped bool) {
		c.frames++
		c.meter(in)
		c.source.countFrame(width, height, c.shape.fps, dropped)
	})
	if errors.Is(err, errConversion) { // of the frame before
		return fmt.Errorf("read %s: %w", c.source.target.label, err)
	}
	return err
}

// meter counts the CPU time of decoding since its last call, if the input measures it.
func (c *session) meter(in input) {
	if m, measures := in.(meter); measures {
		codec, total, used := m.decoding()
		c.source.countDecoding(codec, total-c.metered, used)
		c.metered = total
	}
}

// abandoned returns the error of a session that does not end.
func (c *session) abandoned() error {
	return fmt.Errorf("read %s: a call into OpenCV is blocked and was abandoned", c.source.target.label)
}

// grace is the time beyond its limit after which a call counts as blocked.
const grace = 500 * time.Millisecond

// watchdog reports, once, a call that has not returned in its time.
type watchdog struct {
	overdue chan struct{}
	timer   *time.Timer
}

func newWatchdog() *watchdog {
	w := &watchdog{overdue: make(chan struct{}, 1)}
	w.timer = time.AfterFunc(time.Hour, func() { signal(w.overdue) })
	w.timer.Stop()
	return w
}

// start monitors a call that must return within limit, until stop.
func (w *watchdog) start(limit time.Duration) { w.timer.Reset(limit + grace) }

func (w *watchdog) stop() { w.timer.Stop() }
