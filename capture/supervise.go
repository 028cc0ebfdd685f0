package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// supervise connects, watches, and connects again, until the source is over or closed. It calls nothing that blocks.
func (s *Source) supervise(ctx context.Context) {
	defer close(s.done)
	pauses := backoff{min: s.cfg.ReconnectMin, max: s.cfg.ReconnectMax}
	for {
		c := s.connect(ctx)
		healthy, err := s.await(ctx, c)
		switch {
		case ctx.Err() != nil:
			s.stop(ErrClosed)
			return
		case errors.Is(err, io.EOF) && s.cfg.Loop:
			continue
		case !s.target.live():
			s.stop(err)
			return
		}
		if healthy >= s.cfg.ReconnectMax {
			pauses.reset()
		}
		pause := pauses.next()
		if healthy > 0 {
			s.refused.reset()
		}
		if reasonOf(err).refusesLogin() {
			pause = s.refused.next()
		}
		s.lose(err, pause)
		if sleep(ctx, pause) != nil {
			s.stop(ErrClosed)
			return
		}
	}
}

// await returns how a session ended and for how long it had frames. One that is overdue is given the time of a Close
// to return; then it is abandoned.
func (s *Source) await(ctx context.Context, c *session) (healthy time.Duration, err error) {
	select {
	case <-c.ended:
		return c.healthy, c.err
	case <-c.dog.overdue:
		err = fmt.Errorf("no readable frame from %s within the time-out", s.target.label)
	case <-ctx.Done():
	}
	c.cancel()
	if err != nil && s.target.live() {
		s.lose(err, 0)
	}
	timer := time.NewTimer(s.cfg.ReadTimeout + time.Second)
	defer timer.Stop()
	select {
	case <-c.ended:
		if err == nil {
			err = c.err
		}
		return c.healthy, err
	case <-timer.C:
		s.abandon(ctx, c)
		return 0, c.blocked()
	}
}

// abandon leaves a session to itself. With another one out already it waits until one of them is back.
func (s *Source) abandon(ctx context.Context, c *session) {
	s.mu.Lock()
	s.stats.Abandoned++
	s.mu.Unlock()
	s.log.Error().Msg("a call into OpenCV does not return; abandoned")
	before := s.stuck
	s.stuck = c
	if before == nil {
		return
	}
	select {
	case <-before.ended:
	case <-c.ended:
		s.stuck = before
	case <-ctx.Done():
	}
}
