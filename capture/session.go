package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gocv.io/x/gocv"
)

// session is one connection to the source, from open to loss, in a goroutine of its own that makes all its calls.
type session struct {
	source *Source
	cancel context.CancelFunc
	dog    *watchdog
	ended  chan struct{} // closed when the goroutine has freed everything

	// Written by the goroutine, to be read once it has ended.
	shape   shape
	err     error
	healthy time.Duration // from the first frame to the last
	frames  int
	form    observation
}

func (s *Source) connect(ctx context.Context) *session {
	ctx, cancel := context.WithCancel(ctx)
	c := &session{source: s, cancel: cancel, dog: newWatchdog(), ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		defer cancel()
		c.err = c.run(ctx)
	}()
	return c
}

// run captures until something ends it, which it returns.
func (c *session) run(ctx context.Context) error {
	in, err := c.source.open(ctx, c.dog)
	if err != nil {
		return err
	}
	defer func() {
		c.dog.watch(c.source.cfg.ReadTimeout)
		defer c.dog.rest()
		in.close()
		c.form.release()
	}()
	c.shape = in.shape()
	back := Frame{Mat: gocv.NewMat()}
	defer func() { _ = back.Mat.Close() }() // always nil
	if c.source.target.live() {
		return c.follow(ctx, in, &back)
	}
	return c.play(ctx, in, &back)
}

// follow captures a live source.
func (c *session) follow(ctx context.Context, in input, back *Frame) error {
	var first time.Time
	stale := 0
	step := period(c.shape.fps)
	rush := newCatchUp(step, time.Now())
	rush.over = c.shape.present
	for {
		before := time.Now()
		stamp, err := c.read(ctx, in, back)
		if errors.Is(err, io.EOF) && stale > 0 && c.frames == 0 {
			return faultf(ReasonEnded, "the stream ended before its first current frame; "+
				"if it is a recording, download it and give its path")
		}
		switch {
		case errors.Is(err, errUnreadable):
			c.source.countSkipped(err)
			continue
		case errors.Is(err, errUnchanged):
			c.healthy = time.Since(first)
			continue
		case err != nil:
			return lost(err)
		}
		back.Time = time.Now()
		back.Position = back.Time.Sub(c.source.opened)
		if rush.stale(stamp, back.Time.Sub(before), back.Time) {
			stale++
			c.source.countStale()
			continue
		}
		if c.frames == 0 {
			first = back.Time
		}
		c.healthy = back.Time.Sub(first)
		if c.healthy > 0 {
			c.shape.fps = float64(c.frames) / c.healthy.Seconds()
		}
		if err := c.publish(ctx, back); err != nil {
			return err
		}
	}
}

// lost makes a fault of an end: a live source has none.
func lost(err error) error {
	if errors.Is(err, io.EOF) {
		return faultf(ReasonEnded, "the stream ended")
	}
	return err
}

// play captures one round of a finite source.
func (c *session) play(ctx context.Context, in input, back *Frame) error {
	s := c.source
	step := period(c.shape.fps)
	for {
		stamp, err := c.read(ctx, in, back)
		switch {
		case errors.Is(err, errUnreadable):
			s.countSkipped(err)
			continue
		case errors.Is(err, errResized):
			return fmt.Errorf("read %s: at %v %w; cut the recording there", s.target.label,
				s.timeline.last.Round(time.Millisecond), err)
		case err != nil:
			return c.over(in, err, step)
		}
		back.Position = s.timeline.next(stamp, step)
		back.Time = s.cfg.Start.Add(back.Position)
		if err := c.pace(ctx, back.Position); err != nil {
			return err
		}
		if err := c.publish(ctx, back); err != nil {
			return err
		}
	}
}

// over turns the end of a round into io.EOF, or into the fault that it is.
func (c *session) over(in input, err error, step time.Duration) error {
	s := c.source
	if !errors.Is(err, io.EOF) {
		return err
	}
	if c.frames == 0 {
		return fmt.Errorf("read %s: not one frame in it can be read; it is damaged or of an unknown codec", s.target.label)
	}
	if v, ok := in.(*videoFile); ok {
		if read, declared, early := v.missing(); early {
			s.log.Warn().Str("read", read.Round(time.Millisecond).String()).Str("declared",
				declared.Round(time.Millisecond).String()).
				Msg("the file ends early; it is damaged or cut short")
		}
	}
	s.timeline.again(step)
	return io.EOF
}

// pace waits until a frame of a file is due: at pace Native by the clock, otherwise when the one before was taken.
func (c *session) pace(ctx context.Context, position time.Duration) error {
	s := c.source
	if s.target.kind != kindVideo || s.cfg.Pace == Fast {
		return s.slot.awaitEmpty(ctx)
	}
	if s.anchor.IsZero() {
		s.anchor = time.Now().Add(-position)
	}
	return sleep(ctx, time.Until(s.anchor.Add(position)))
}

func (c *session) read(ctx context.Context, in input, back *Frame) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if c.source.target.live() { // a large picture on a slow board takes its time
		limit := c.source.cfg.ReadTimeout
		if p, ok := in.(patient); ok {
			limit = p.patience()
		}
		c.dog.watch(limit)
		defer c.dog.rest()
	}
	stamp, err := in.read(ctx, &back.Mat)
	if err == nil {
		c.observe(in, &back.Mat)
	}
	return stamp, err
}

// patient is an input with its own deadlines. The watchdog allows a read to take as long as patience returns.
type patient interface{ patience() time.Duration }

func (c *session) publish(ctx context.Context, back *Frame) error {
	width, height := back.Mat.Cols(), back.Mat.Rows()
	return c.source.slot.put(ctx, back, func(dropped bool) {
		c.frames++
		c.source.countFrame(width, height, c.shape.fps, dropped)
	})
}

// blocked is the error of a session that does not return.
func (c *session) blocked() error {
	return fmt.Errorf("read %s: a call into OpenCV is blocked and was abandoned", c.source.target.label)
}

// sleep waits for d, or until ctx ends, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
