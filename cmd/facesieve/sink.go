package main

import (
	"errors"
	"math"

	"github.com/rs/zerolog"

	"facesieve/publish/event"
	"facesieve/publish/outbox"
	"facesieve/quality"
)

// outlet takes events and reports, and never waits for a network; for the disk half a second at most.
type outlet interface {
	Publish(e event.Face) error
	Reject(r event.Rejected) error
}

// mqttSink hands decisions to the publisher.
type mqttSink struct {
	outlet  outlet
	encoder encoder
	log     zerolog.Logger
}

func (m mqttSink) face(c *candidate) error {
	face, err := m.encoder.event(c)
	if err != nil {
		return err
	}
	if face.ID == "" {
		if face.ID, err = event.NewID(); err != nil {
			return err
		}
	}
	err = m.outlet.Publish(face)
	if errors.Is(err, outbox.ErrFull) || errors.Is(err, outbox.ErrHeld) {
		return nil // the outbox counts and logs it
	}
	if err != nil {
		return err
	}
	m.log.Info().Str("id", face.ID).Uint64("track", c.Track).Float64("score", math.Round(10*c.Judgement.Score.Value)/10).Msg("face forwarded")
	return nil
}

func (m mqttSink) rejected(c *candidate, reason quality.Reason) error {
	m.log.Debug().Uint64("track", c.Track).Str("reason", string(reason)).Msg("track without a face to forward")
	return m.outlet.Reject(m.encoder.rejection(c, reason))
}
