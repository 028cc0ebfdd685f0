package capture

import (
	"cmp"
	"errors"
	"io"
	"time"

	"github.com/rs/zerolog"
)

// State is the present state of a Source.
type State string

// The states of a Source.
const (
	Connecting   State = "connecting"   // opening for the first time, no frame yet
	Running      State = "running"      // frames arrive
	Reconnecting State = "reconnecting" // lost, or never reached; a live source only
	Stopped      State = "stopped"      // at its end, failed, or closed
)

// Stats counts since Open.
type Stats struct {
	Frames     uint64  // captured; Frame.Sequence counts the same
	Dropped    uint64  // captured, but replaced by a newer frame before Next returned them
	OverRate   uint64  // captured, but not delivered, because of SetMaxFPS
	Idle       uint64  // captured, but not decoded, because nothing moves and they are no key frames
	Stale      uint64  // discarded around a reconnect, because they were out of date
	Skipped    uint64  // damaged images in a directory, or of a snapshot url
	Reconnects uint64  // successful reconnections of a lost source
	Abandoned  uint64  // abandoned calls into OpenCV
	Width      int     // pixels, of the last frame; 0 before the first
	Height     int     // pixels, of the last frame; 0 before the first
	FPS        float64 // frames a second: declared by a file, measured for a live source; 0: unknown
	Codec      string  // FFmpeg's name, such as h264; empty: unknown, as for a device or images
	Decoder    string  // Software, or FFmpeg's name of the hardware decoder; empty: unknown, as for a device or images
	Refused    string  // why hardware decoders are not used; empty: there is none to try, or the first is used
	// Decoding is the CPU time of decoding and conversion, of the threads that call FFmpeg; 0: not measured, as for a
	// device or images. At pace Fast threads of FFmpeg decode too, which are not counted.
	Decoding  time.Duration
	LastError string    // of the last failure, without credentials; kept after recovery
	Reason    Reason    // of the last failure; empty while frames arrive
	NextTry   time.Time // next attempt to open a lost source; zero while frames arrive or it is being opened
}

// Delivered returns the number of captured frames that Next returned, or a newer one instead.
func (s Stats) Delivered() uint64 { return s.Frames - s.OverRate - s.Idle }

// Software is Stats.Decoder of a stream that is decoded by the CPU.
const Software = "software"

// logPeriod is the minimum time between two log messages about dropped frames, and about damaged images.
const logPeriod = time.Second

// State returns the present state.
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

// setLost records that a live source is lost, and discards the latest frame. A pause of 0 means that the pause before
// the next attempt is not known yet.
func (s *Source) setLost(err error, pause time.Duration) {
	stale := s.latest.discard()
	s.mu.Lock()
	if stale {
		s.stats.Stale++
	}
	repeated := s.state == Reconnecting && s.stats.LastError == err.Error()
	s.state = Reconnecting
	s.stats.LastError, s.stats.Reason = err.Error(), reasonOf(err)
	if pause > 0 {
		s.stats.NextTry = time.Now().Add(pause)
	}
	s.mu.Unlock()
	level := zerolog.WarnLevel
	if repeated {
		level = zerolog.DebugLevel
	}
	s.log.WithLevel(level).Err(err).Str("reason", string(reasonOf(err))).Str("pause",
		pause.Round(time.Millisecond).String()).Msg("no video")
}

// setStopped records the end before it ends Next with err.
func (s *Source) setStopped(err error) {
	s.mu.Lock()
	s.state = Stopped
	if !errors.Is(err, io.EOF) && !errors.Is(err, ErrClosed) {
		s.stats.LastError = err.Error()
	}
	s.mu.Unlock()
	s.latest.end(err)
}

// countFrame records a captured frame. The first one of a session makes the state Running.
func (s *Source) countFrame(width, height int, fps float64, dropped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Frames++
	s.stats.Width, s.stats.Height, s.stats.FPS = width, height, fps
	if dropped {
		s.stats.Dropped++
		s.unlogged++
	}
	if s.unlogged > 0 && time.Since(s.dropsLogged) >= logPeriod {
		s.log.Debug().Uint64("frames", s.unlogged).Msg("frames dropped, because they were not read in time")
		s.dropsLogged, s.unlogged = time.Now(), 0
	}
	if s.state == Running {
		return
	}
	if s.begun {
		s.stats.Reconnects++
	} else {
		s.begun = true
		close(s.first)
	}
	s.state = Running
	s.stats.Reason, s.stats.NextTry = "", time.Time{}
	s.log.Info().Int("width", width).Int("height", height).Float64("fps", fps).Msg("video")
}

// countOmitted records a captured frame that is not delivered.
func (s *Source) countOmitted(why omission) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Frames++
	if why == idle {
		s.stats.Idle++
	} else {
		s.stats.OverRate++
	}
}

// countDecoding records the codec, the CPU time of decoding, and the decoder, which it logs once.
func (s *Source) countDecoding(codec string, spent time.Duration, used decoderUse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Codec = codec
	s.stats.Decoding += spent
	s.stats.Decoder = cmp.Or(used.hardware, Software)
	if used.refusals != s.stats.Refused && used.hardware == "" {
		s.log.Info().Str("refused", used.refusals).Msg("decoding in software")
	}
	s.stats.Refused = used.refusals
	if used.hardware != s.hardware {
		s.hardware = used.hardware
		s.log.Info().Str("decoder", s.stats.Decoder).Msg("decoder")
	}
}

// countConversion adds CPU time of a conversion to that of decoding.
func (s *Source) countConversion(spent time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Decoding += spent
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
	if time.Since(s.skipLogged) >= logPeriod {
		s.skipLogged = time.Now()
		s.log.Warn().Err(err).Uint64("skipped", s.stats.Skipped).Msg("image skipped")
	}
}

func (s *Source) countAbandoned() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Abandoned++
}
