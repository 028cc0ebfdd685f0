package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/daemon"
	"facesieve/cmd/facesieve/internal/metrics"
	"facesieve/cmd/facesieve/internal/web"
	"facesieve/models"
)

// page is the page of a daemon. It is opened before the daemon starts, so that a fault of its configuration is a failed
// start.
type page struct {
	log       zerolog.Logger
	overrides *config.OverridesFile
	listener  *web.Listener
	recorder  *web.Recorder
	metrics   *metrics.Metrics
	server    *web.Server // nil until serve
}

// openPage returns the page that cfg describes. It returns nil if there is none, or if it cannot be served: the cameras
// go on without it.
func openPage(ctx context.Context, cfg config.Web, overrides *config.OverridesFile, log zerolog.Logger) *page {
	if cfg.Listen == "" {
		return nil
	}
	log = log.With().Str("component", "web").Logger()
	listener, err := web.Listen(ctx, cfg, log)
	if err != nil {
		log.Error().Err(err).Msg("there is no page; correct the cause, or set web.listen to \"\", and restart the daemon")
		return nil
	}
	return &page{
		log: log, overrides: overrides, listener: listener, recorder: web.NewRecorder(web.PageBounds(), log),
		metrics: metrics.New(metrics.Build{Version: version, OpenCV: gocv.OpenCVVersion(), TFLite: models.LibraryVersion()}),
	}
}

// serve shows the state of a daemon.
func (p *page) serve(d *daemon.Daemon) {
	p.server = web.Serve(p.listener, web.Options{
		Recorder: p.recorder, State: d.State, Overrides: p.overrides, Log: p.log, Metrics: p.metrics.Handler(d.State),
		Versions: web.Versions{Program: version, OpenCV: gocv.OpenCVVersion(), TFLite: models.LibraryVersion()},
	})
}

func (p *page) close() error {
	var err error
	if p.server != nil {
		err = p.server.Close()
	} else {
		err = p.listener.Close()
	}
	p.recorder.Close()
	return err
}

// unitState is StateDirectory of the systemd unit, where a daemon that systemd started has its token.
const unitState = "/var/lib/facesieve"

type pageCommand struct {
	Config filePath `required:"" help:"Configuration file (YAML)."`
}

// Run prints the address of the page with its token.
func (c *pageCommand) Run(term console) error {
	cfg, err := config.Load(config.ForPage(), string(c.Config), config.Secret)
	if err != nil {
		return err
	}
	if cfg.Web.Listen == "" {
		return errors.New("there is no page: set web.listen, for example to 127.0.0.1:8470, and restart the daemon")
	}
	token, err := web.ReadToken(cfg.Web)
	if errors.Is(err, web.ErrNoToken) {
		ofUnit := cfg.Web
		ofUnit.State = unitState
		if other, unitErr := web.ReadToken(ofUnit); unitErr == nil {
			token, err = other, nil
		} else {
			err = fmt.Errorf("%w, and %w: start the daemon first; the token of a service can be read with sudo", err, unitErr)
		}
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(term.out, web.Address(cfg.Web, token))
	return nil
}
