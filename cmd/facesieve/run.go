package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"

	"facesieve/publish"
	"facesieve/publish/outbox"
)

type runCommand struct {
	Config  string `required:"" type:"path" help:"Configuration file (YAML)."`
	Gallery string `type:"path" placeholder:"DIR" help:"At the end, write a page with every face seen into this folder."`
}

// Run is the daemon: it runs until ctx ends, or every camera is a recording and has ended.
func (c *runCommand) Run(ctx context.Context, term console) error {
	cfg, err := LoadConfig(c.Config, os.Getenv)
	if err != nil {
		return err
	}
	log := newLogger(cfg.Log, term.err)
	var seen *gallery
	if c.Gallery != "" {
		if err := os.MkdirAll(c.Gallery, 0o750); err != nil {
			return fmt.Errorf("make the gallery's folder: %w", err)
		}
		seen = &gallery{}
	}
	err = watchCameras(ctx, cfg, seen, log)
	if seen != nil {
		err = errors.Join(err, seen.write(c.Gallery, cfg.Quality.Threshold))
	}
	return err
}

// flushTime is how long the last events may take at the end; the whole program ends within 2 s of a signal.
const flushTime = 1200 * time.Millisecond

// watchCameras starts, in this order, the broker if it is the embedded one, the outbox, the publisher and the cameras, runs them,
// and ends them in the opposite order. What was started is undone when a later step fails.
func watchCameras(ctx context.Context, cfg Config, seen *gallery, log zerolog.Logger) (err error) {
	nets, err := openModels(cfg)
	if err != nil {
		return err
	}
	if cfg.MQTT.Broker == publish.Embedded {
		broker, err := publish.StartBroker(ctx, cfg.MQTT, log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, broker.Close()) }()
	}
	box, err := outbox.Open(cfg.Outbox, log.With().Str("component", "outbox").Logger())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	publisher, err := publish.Open(cfg.MQTT, box, log.With().Str("component", "publish").Logger())
	if err != nil {
		return err
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
		defer cancel()
		publisher.Close(last)
	}()
	stations, err := openStations(cfg, nets, publisher, seen, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll(stations)) }()
	return attend(ctx, stations, log)
}
