package pipeline

import (
	"errors"
	"math"

	"github.com/rs/zerolog"

	"facesieve/publish/event"
	"facesieve/publish/outbox"
	"facesieve/quality"
)

// Uplink accepts events and reports. Its methods do not wait for a network, and at most half a second for the disk.
type Uplink interface {
	// Publish accepts the event of a face.
	Publish(e event.Face) error
	// Reject accepts the report of a rejected visit.
	Reject(r event.Rejected) error
}

// EventSink is a Sink that passes decisions to an uplink as events. All its fields are required.
type EventSink struct {
	Uplink  Uplink
	Encoder Encoder
	Log     zerolog.Logger
}

// Face passes on the event of a face.
func (s EventSink) Face(c *Candidate) error {
	face, err := s.Encoder.Event(c)
	if err != nil {
		return err
	}
	if face.ID == "" {
		if face.ID, err = event.NewID(); err != nil {
			return err
		}
	}
	err = s.Uplink.Publish(face)
	if errors.Is(err, outbox.ErrFull) || errors.Is(err, outbox.ErrHeld) {
		return nil // the outbox counts and logs it
	}
	if err != nil {
		return err
	}
	s.Log.Info().Str("id", face.ID).Str("visit", face.Visit.ID).Uint64("track", c.Track).
		Float64("score", math.Round(10*c.Judgement.Score.Value)/10).Msg("face forwarded")
	return nil
}

// Rejected passes on the report of a rejected visit.
func (s EventSink) Rejected(c *Candidate, reason quality.Reason) error {
	s.Log.Debug().Str("visit", c.Visit.ID).Uint64("track", c.Track).Str("reason", string(reason)).
		Str("missed", ReasonsText(c, reason)).Msg("visit rejected")
	return s.Uplink.Reject(s.Encoder.Rejection(c, reason))
}
