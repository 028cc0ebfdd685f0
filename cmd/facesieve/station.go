package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"facesieve/capture"
	"facesieve/publish"
	"facesieve/publish/outbox"
	"facesieve/quality"
)

// station is one camera at work: its source, its pipeline, and what is told about it.
type station struct {
	name      string
	source    *capture.Source
	pipeline  *pipeline
	publisher *publish.Publisher

	state publish.State
	told  time.Time
	last  struct{ frames, sent uint64 }
}

// openStations opens every camera of cfg, or none.
func openStations(cfg Config, nets networks, publisher *publish.Publisher, seen *gallery, log zerolog.Logger) ([]*station, error) {
	var all []*station
	for _, camera := range cfg.Cameras {
		s, err := openStation(cfg, camera, nets, publisher, seen, log)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("camera %s: %w", camera.Name, err), closeAll(all))
		}
		all = append(all, s)
	}
	return all, nil
}

func openStation(cfg Config, camera Camera, nets networks, publisher *publish.Publisher, seen *gallery, log zerolog.Logger) (*station, error) {
	e, err := newEngine(nets, cfg.Runtime, camera.Detect, camera.Quality, log)
	if err != nil {
		return nil, err
	}
	out := mqttSink{
		publisher: publisher, log: log.With().Str("component", "publish").Str("camera", camera.Name).Logger(),
		encoder: encoder{device: cfg.Device, camera: camera.Name, model: nets.scoreModel(), image: cfg.Image},
	}
	p, err := newPipeline(camera, e, out, seen, log)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	source, err := capture.Open(camera.Capture, log.With().Str("camera", camera.Name).Logger())
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return &station{name: camera.Name, source: source, pipeline: p, publisher: publisher}, nil
}

func closeAll(stations []*station) error {
	var all error
	for _, s := range stations {
		all = errors.Join(all, s.source.Close(), s.pipeline.Close())
	}
	return all
}

// tell publishes the camera's state if it is another than before, or stateInterval has passed.
func (s *station) tell(now time.Time, word string) error {
	if word == s.state.State && now.Sub(s.told) < stateInterval {
		return nil
	}
	if word != s.state.State {
		s.state.State, s.state.Since = word, now
	}
	frames, sent := s.pipeline.counts.frames.Load(), s.pipeline.counts.sent.Load()
	if seconds := now.Sub(s.told).Seconds(); !s.told.IsZero() && seconds > 0 {
		s.state.FPS = float64(frames-s.last.frames) / seconds
		s.state.FacesPerSecond = float64(sent-s.last.sent) / seconds
	}
	s.told, s.last.frames, s.last.sent = now, frames, sent
	return s.publisher.SetState(s.name, s.state)
}

// word is the present state in the words of the state topic.
func (s *station) word() string {
	switch s.source.State() {
	case capture.Running:
		return publish.Running
	case capture.Stopped:
		return publish.Stopped
	default:
		return publish.Reconnecting
	}
}

// attend runs all stations side by side and returns when the last has ended. The first failure ends the others.
func attend(ctx context.Context, stations []*station, log zerolog.Logger) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range stations {
		group.Go(func() error { return s.pipeline.run(ctx, s.source) })
	}
	ended := make(chan error, 1)
	go func() { ended <- group.Wait() }()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	watchdog := startWatchdog(log)
	defer watchdog.stopping()
	for {
		select {
		case err := <-ended:
			return err
		case now := <-ticker.C:
			for _, s := range stations {
				if err := s.tell(now, s.word()); err != nil {
					log.Error().Err(err).Str("camera", s.name).Msg("cannot tell the camera's state")
				}
			}
			watchdog.pet(now, stations)
		}
	}
}

// mqttSink hands decisions to the publisher.
type mqttSink struct {
	publisher *publish.Publisher
	encoder   encoder
	log       zerolog.Logger
}

func (m mqttSink) face(c *candidate) error {
	event, err := m.encoder.event(c)
	if err != nil {
		return err
	}
	err = m.publisher.Publish(event)
	if errors.Is(err, outbox.ErrFull) || errors.Is(err, outbox.ErrHeld) {
		return nil // the outbox counts and logs it
	}
	if err != nil {
		return err
	}
	m.log.Info().Uint64("track", c.Track).Float64("score", math.Round(10*c.Judgement.Score.Value)/10).Msg("face forwarded")
	return nil
}

func (m mqttSink) rejected(c *candidate, reason quality.Reason) error {
	m.log.Debug().Uint64("track", c.Track).Str("reason", string(reason)).Msg("track without a face to forward")
	return m.publisher.Reject(m.encoder.rejection(c, reason))
}
