package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

type runCommand struct {
	Config  filePath `required:"" help:"Configuration file (YAML). SIGHUP, and any change of it, reloads it."`
	Gallery filePath `placeholder:"DIR" help:"At the end, write a page with every face seen into this folder."`
}

// Run is the daemon: it runs until ctx ends, or every camera is a recording and has ended.
func (c *runCommand) Run(ctx context.Context, term console) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	// A journal that is gone must not end the daemon. systemd counts an end by SIGPIPE as intended.
	signal.Ignore(syscall.SIGPIPE)
	d := &daemon{path: string(c.Config)}
	var err error
	if d.cfg, err = LoadConfig(string(c.Config), secrets); err != nil {
		return err
	}
	d.log, d.logs = openLog(d.cfg.Log, term.err)
	if c.Gallery != "" {
		if err := os.MkdirAll(string(c.Gallery), 0o700); err != nil {
			return fmt.Errorf("make the gallery's folder: %w", err)
		}
		d.gallery = &gallery{}
	}
	err = d.serve(ctx, hangup)
	if d.gallery != nil {
		err = errors.Join(err, d.gallery.write(string(c.Gallery), d.cfg.Quality.Threshold))
	}
	return err
}

// serve starts the daemon, and runs it with an eye on the file.
func (d *daemon) serve(ctx context.Context, hangup <-chan os.Signal) error {
	if err := startDaemon(ctx, d); err != nil {
		return err
	}
	watch, err := watchConfig(d.path, d.log)
	if err != nil { // the machine has no watches left, for example
		d.log.Warn().Err(err).Msg("changes of the configuration go unseen; use systemctl reload")
		return d.run(ctx, hangup, nil)
	}
	return errors.Join(d.run(ctx, hangup, watch.changed), watch.Close())
}
