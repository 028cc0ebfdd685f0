package capture

import (
	"errors"
	"io"
	"time"

	"github.com/rs/zerolog"
)

// dropPeriod is how often dropped frames and broken pictures are logged at most.
const dropPeriod = time.Second

// lose records that a live source is lost, and discards its waiting frame. A pause of zero means that the pause before
// the next attempt is not known yet.
func (s *Source) lose(err error, pause time.Duration) {
	stale := s.slot.discard()
	s.mu.Lock()
	if stale {
		s.stats.Stale++
	}
	known := s.state == Reconnecting && s.stats.LastError == err.Error()
	s.state = Reconnecting
	s.stats.LastError, s.stats.Reason = err.Error(), reasonOf(err)
	if pause > 0 {
		s.stats.NextTry = time.Now().Add(pause)
	}
	s.mu.Unlock()
	level := zerolog.WarnLevel
	if known {
		level = zerolog.DebugLevel
	}
	s.log.WithLevel(level).Err(err).Str("reason", string(reasonOf(err))).Str("pause",
		pause.Round(time.Millisecond).String()).Msg("no video")
}

// stop records the end, and then tells it: err is what Next returns from now on.
func (s *Source) stop(err error) {
	s.mu.Lock()
	s.state = Stopped
	if !errors.Is(err, io.EOF) && !errors.Is(err, ErrClosed) {
		s.stats.LastError = err.Error()
	}
	s.mu.Unlock()
	s.slot.end(err)
}

// countFrame records a published frame, and with the first one of a session that the source is there.
func (s *Source) countFrame(width, height int, fps float64, dropped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Frames++
	s.stats.Width, s.stats.Height, s.stats.FPS = width, height, fps
	if dropped {
		s.stats.Dropped++
		s.unsaid++
	}
	if s.unsaid > 0 && time.Since(s.logged) >= dropPeriod {
		s.log.Debug().Uint64("frames", s.unsaid).Msg("dropped frames that nobody took in time")
		s.logged, s.unsaid = time.Now(), 0
	}
	if s.state == Running {
		return
	}
	if s.stats.Frames > 1 {
		s.stats.Reconnects++
	} else {
		close(s.first)
	}
	s.state = Running
	s.stats.Reason, s.stats.NextTry = "", time.Time{}
	s.log.Info().Int("width", width).Int("height", height).Float64("fps", fps).Msg("video")
}

func (s *Source) countStale() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Stale++
}

func (s *Source) countSkipped(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Skipped++
	s.stats.LastError = err.Error()
	if time.Since(s.skipped) >= dropPeriod {
		s.skipped = time.Now()
		s.log.Warn().Err(err).Uint64("skipped", s.stats.Skipped).Msg("picture skipped")
	}
}

// Live says whether the source is a camera or a stream: it has no end, and its frames carry the wall clock.
func (s *Source) Live() bool { return s.target.live() }
