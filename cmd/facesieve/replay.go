package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/rs/zerolog"

	"facesieve/capture"
	"facesieve/publish"
)

type replayCommand struct {
	Config filePath  `help:"Configuration file. Default: the built-in one."`
	Camera string    `help:"Name of the camera in the configuration whose settings apply. Default: the first."`
	Out    filePath  `placeholder:"DIR" help:"Write events, faces and a page of all seen faces here; do not publish."`
	Start  time.Time `default:"1970-01-01T00:00:00Z" help:"When the recording began (RFC 3339); event times count from it."`
	Video  filePath  `arg:"" help:"A recording, or a directory of pictures."`
}

// Run takes every frame of the recording through the pipeline. The same recording gives the same events.
func (c *replayCommand) Run(ctx context.Context, term console) error {
	cfg, camera, err := c.settings()
	if err != nil {
		return err
	}
	log := newLogger(cfg.Log, term.err)
	nets, err := openModels(cfg)
	if err != nil {
		return err
	}
	out, err := c.openSink(ctx, cfg, camera, nets, term, log)
	if err != nil {
		return err
	}
	return errors.Join(c.replay(ctx, cfg, camera, nets, out, term, log), out.close())
}

// settings returns the configuration and the camera whose settings apply, pointed at the recording.
func (c *replayCommand) settings() (Config, Camera, error) {
	cfg := DefaultConfig()
	cfg.Log.Level, cfg.Device = "warn", hostName()
	camera := cfg.camera()
	camera.Name = "replay"
	if c.Config != "" {
		var err error
		if cfg, err = loadFor(forReplay(c.Camera, c.Out == ""), string(c.Config), secrets); err != nil {
			return cfg, camera, err
		}
		if camera, err = cfg.named(c.Camera); err != nil {
			return cfg, camera, err
		}
	}
	camera.Capture.URL, camera.Capture.Shown = string(c.Video), ""
	camera.Capture.Pace, camera.Capture.Start = capture.Fast, c.Start
	camera.Capture.Loop = false
	return cfg, camera, nil
}

// named returns the camera with this name. If name is empty, it returns the first camera; without cameras, one with the
// settings at the top of the file.
func (c Config) named(name string) (Camera, error) {
	if name == "" && len(c.Cameras) == 0 {
		camera := c.camera()
		camera.Name = "replay"
		return camera, nil
	}
	var names []string
	for _, camera := range c.Cameras {
		if name == "" || camera.Name == name {
			return camera, nil
		}
		names = append(names, camera.Name)
	}
	return Camera{}, fmt.Errorf("no camera is named %q; the configuration has %s", name, listed(names))
}

// recordingSink is where replay sends decisions to; close finishes what is open.
type recordingSink interface {
	sink
	seen() *gallery
	close() error
}

// openSink opens the folder of --out, or the publisher of --config, or just prints.
func (c *replayCommand) openSink(
	ctx context.Context, cfg Config, camera Camera, nets networks, term console, log zerolog.Logger,
) (recordingSink, error) {
	encode := encoder{
		device: cfg.Device, camera: camera.Name, model: nets.scoreModel(), image: cfg.Image,
		identify: func(s *candidate) string { return publish.ReplayID(s.Time, cfg.Device, camera.Name, s.Track) },
	}
	switch {
	case c.Out != "":
		return newFolderSink(string(c.Out), encode, camera.Quality.Threshold, term.out)
	case c.Config != "":
		return openPatientSink(ctx, cfg, encode, log)
	default:
		return printSink{term.out}, nil
	}
}

func (c *replayCommand) replay(
	ctx context.Context, cfg Config, camera Camera, nets networks, out recordingSink, term console, log zerolog.Logger,
) (err error) {
	e, err := newLoneEngine(nets, cfg.Runtime, camera.Detect, camera.Quality, log)
	if err != nil {
		return err
	}
	p, err := newPipeline(camera, e, out, out.seen(), log.With().Str("camera", camera.Name).Logger())
	if err != nil {
		return errors.Join(err, e.Close())
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	source, err := capture.Open(camera.Capture, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	start := time.Now()
	bar := newProgress(term.err, -1, "frames")
	p.after = bar.add
	if err := p.run(ctx, source); err != nil {
		return err
	}
	bar.finish()
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted after %d frames", p.counts.frames.Load())
	}
	summarise(term.err, p, time.Since(start))
	if stats := source.Stats(); stats.Skipped > 0 {
		skipped := english.Plural(int(stats.Skipped), "picture", "") //nolint:gosec // few
		fmt.Fprintf(term.err, "%s could not be read; the last was %s\n", skipped, stats.LastError)
	}
	return nil
}

// summarise says what happened, and what each stage cost.
func summarise(w io.Writer, p *pipeline, took time.Duration) {
	c := p.selector.Counts()
	fmt.Fprintf(w, "%d frames, %d looked at, %d tracks, %d faces judged, %d sent, in %.1f s\n",
		p.counts.frames.Load(), p.counts.looked.Load(), p.counts.tracks.Load(), c.Offered, c.Sent, took.Seconds())
	p.engine.times.print(w)
}
