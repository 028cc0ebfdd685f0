package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// supervise runs one session after the other until the source has ended or is closed. It makes no call that can block.
func (s *Source) supervise(ctx context.Context) {
	defer close(s.done)
	for {
		healthy, err := s.await(ctx, s.connect(ctx))
		switch {
		case ctx.Err() != nil:
			s.setStopped(ErrClosed)
			return
		case errors.Is(err, io.EOF) && s.cfg.Loop:
			continue
		case !s.target.live:
			s.setStopped(err)
			return
		}
		pause := s.pause(healthy, err)
		s.setLost(err, pause)
		if sleep(ctx, pause) != nil {
			s.setStopped(ErrClosed)
			return
		}
	}
}

// pause returns the time until the next session. healthy is the time for which the last one had frames, and err the
// reason for its end.
func (s *Source) pause(healthy time.Duration, err error) time.Duration {
	if healthy > 0 {
		s.refused.Reset()
	}
	if healthy >= s.cfg.ReconnectMax {
		s.lost.Reset()
	}
	if reasonOf(err).refusesLogin() {
		return s.refused.NextBackOff()
	}
	return s.lost.NextBackOff()
}

// newBackOff returns increasing pauses from shortest to longest. Each is random, because cameras that lost their power
// at the same time must not be opened at the same time.
func newBackOff(shortest, longest time.Duration) *backoff.ExponentialBackOff {
	// A pause is an interval of the back-off, times a random factor from 1-jitter to 1+jitter.
	jitter := min(0.5, float64(longest-shortest)/float64(longest+shortest))
	return &backoff.ExponentialBackOff{
		InitialInterval:     time.Duration(float64(shortest) / (1 - jitter)),
		RandomizationFactor: jitter,
		Multiplier:          2,
		MaxInterval:         time.Duration(float64(longest) / (1 + jitter)),
	}
}

// await returns the time for which a session had frames, and the reason for its end. A session that is overdue, or must
// end because the source is closed, has ReadTimeout and a second to end. Then it is abandoned.
func (s *Source) await(ctx context.Context, c *session) (healthy time.Duration, err error) {
	select {
	case <-c.ended:
		return c.healthy, c.err
	case <-c.watchdog.overdue:
		err = fmt.Errorf("no readable frame from %s within the timeout", s.target.label)
	case <-ctx.Done():
	}
	c.cancel()
	if err != nil && s.target.live {
		s.setLost(err, 0)
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
		return 0, c.abandoned()
	}
}

// abandon stops waiting for a session. If an earlier one is still blocked, it waits until one of the two has ended.
func (s *Source) abandon(ctx context.Context, c *session) {
	s.countAbandoned()
	s.log.Error().Msg("a call into OpenCV does not return; it is abandoned")
	before := s.blocked
	s.blocked = c
	if before == nil {
		return
	}
	select {
	case <-before.ended:
	case <-c.ended:
		s.blocked = before
	case <-ctx.Done():
	}
}

// sleep waits for d, or until ctx ends, and then returns the error of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}
