package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/daemon"
	"facesieve/cmd/facesieve/internal/health"
	"facesieve/cmd/facesieve/internal/logging"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/cmd/facesieve/internal/web"
)

type runCommand struct {
	Config  filePath `required:"" help:"Configuration file (YAML). SIGHUP, or a change of it or the overrides, reloads."`
	Gallery filePath `placeholder:"DIR" help:"At the end, write a report with every face into this directory."`
}

// Run is the daemon. It runs until ctx ends, or every camera is a recording and has ended.
func (c *runCommand) Run(ctx context.Context, term console) (err error) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	// The daemon must not end when the reader of its log does. systemd counts an end by SIGPIPE as intended.
	signal.Ignore(syscall.SIGPIPE)
	cfg, err := config.LoadInForce(config.ForDaemon(), string(c.Config), config.Secret)
	if err != nil {
		return err
	}
	options := daemon.Options{Path: string(c.Config), Version: version}
	options.Log, options.LogSwitch = logging.Open(cfg.Log, term.err)
	options.Overrides, err = config.OpenOverrides(string(c.Config), config.Secret)
	if err != nil && !errors.Is(err, config.ErrNoStateDirectory) {
		return err
	}
	var recorder *web.Recorder
	if c.Gallery != "" {
		if err := os.MkdirAll(string(c.Gallery), 0o700); err != nil {
			return fmt.Errorf("create the directory of the report: %w", err)
		}
		recorder = web.NewRecorder(web.ReportBounds(), options.Log)
		defer recorder.Close()
		options.Observers, options.ScoreAll = []pipeline.Observer{recorder}, true
	}
	checked := health.New(cfg.Outbox.State, options.Log)
	defer checked.Close()
	options.Health, options.Observers = checked, append(options.Observers, checked)
	page := openPage(ctx, cfg.Web, options.Overrides, options.Log)
	if page != nil {
		defer func() { err = errors.Join(err, page.close()) }()
		options.Observers = append(options.Observers, page.recorder, page.metrics)
	}
	d, err := daemon.Start(ctx, cfg, options)
	if err != nil {
		return err
	}
	if page != nil {
		page.serve(d)
	}
	err = d.Run(ctx, hangup)
	if recorder != nil {
		state := d.State()
		_, writeErr := writeReport(string(c.Gallery), recorder, web.Report{
			Title: state.InForce.Device, Program: version, Cameras: state.InForce.Cameras, Networks: state.Networks,
			View: web.ViewVisits,
		})
		err = errors.Join(err, writeErr)
	}
	return err
}
