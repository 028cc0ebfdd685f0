package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/rs/zerolog"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/logging"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/cmd/facesieve/internal/web"
	"facesieve/publish/event"
)

type replayCommand struct {
	Config filePath  `help:"Configuration file. Default: the built-in one."`
	Camera string    `help:"Name of the camera in the configuration whose settings apply. Default: the first."`
	Out    filePath  `placeholder:"DIR" help:"Write events, faces and a report with every face here; do not publish."`
	Start  time.Time `default:"1970-01-01T00:00:00Z" help:"Start of the recording (RFC 3339); event times count from it."`
	Video  filePath  `arg:"" help:"A recording, or a directory of images."`
}

// Run takes every frame of the recording through the pipeline. The same recording gives the same events.
func (c *replayCommand) Run(ctx context.Context, term console) error {
	cfg, camera, err := recordingSettings(c.Config, c.Camera, c.Out == "")
	if err != nil {
		return err
	}
	camera.Capture = recordingAt(camera.Capture, string(c.Video))
	camera.Capture.Start = c.Start
	log := logging.New(cfg.Log, term.err)
	networks, err := pipeline.OpenNetworks(cfg, camera)
	if err != nil {
		return err
	}
	sink, observers, err := c.openSink(ctx, cfg, camera, networks, term, log)
	if err != nil {
		return err
	}
	e, err := pipeline.OpenEngine(networks, cfg, camera, log)
	if err != nil {
		return errors.Join(err, sink.close())
	}
	visits := uint64(0)
	options := pipeline.Options{
		Sink: sink, Observers: observers, ScoreAll: len(observers) > 0,
		NewVisitID: func(first time.Time) string {
			visits++
			return event.ReplayID(first, cfg.Device, camera.Name+"/visit", visits)
		},
	}
	return errors.Join(replay(ctx, e, camera, options, term, log), sink.close())
}

// recordingSettings returns the configuration in a file, or the built-in one, and the camera of this name, or the first
// one, whose settings apply to a recording. With publish, events are sent to the broker.
func recordingSettings(file filePath, name string, publish bool) (config.Config, config.Camera, error) {
	cfg := config.Default()
	cfg.Log.Level, cfg.Device = "warn", config.HostName()
	camera := cfg.NewCamera()
	camera.Name = "replay"
	if file == "" {
		return cfg, camera, nil
	}
	cfg, err := config.Load(config.ForReplay(name, publish), string(file), config.Secret)
	if err != nil {
		return cfg, camera, err
	}
	camera, err = cfg.Camera(name)
	return cfg, camera, err
}

// recordingAt returns the settings of a camera for a recording, which is read as fast as it can.
func recordingAt(cfg capture.Config, video string) capture.Config {
	cfg.URL, cfg.Shown = video, ""
	cfg.Pace, cfg.Loop = capture.Fast, false
	return cfg
}

// replaySink is a sink for a recording. close completes what it wrote.
type replaySink interface {
	pipeline.Sink
	close() error
}

// openSink opens the directory of --out, or the publisher of --config, or prints. It returns an observer too if --out
// is given.
func (c *replayCommand) openSink(
	ctx context.Context, cfg config.Config, camera config.Camera, networks pipeline.Networks, term console,
	log zerolog.Logger,
) (replaySink, []pipeline.Observer, error) {
	encoder := pipeline.Encoder{
		Device: cfg.Device, Camera: camera.Name, Model: networks.ScoreModel(), Image: cfg.Image,
		Identify: func(s *pipeline.Candidate) string {
			return event.ReplayID(s.Time, cfg.Device, camera.Name, s.Track)
		},
	}
	switch {
	case c.Out != "":
		report := web.Report{
			Title: filepath.Base(string(c.Video)), Program: version, Cameras: []config.Camera{camera},
			Networks: networks.Manifests(), View: web.ViewVisits,
		}
		sink, err := newDirectorySink(string(c.Out), encoder, report, term, log)
		if err != nil {
			return nil, nil, err
		}
		return sink, []pipeline.Observer{sink.recorder}, nil
	case c.Config != "":
		sink, err := openWaitingSink(ctx, cfg, encoder, log)
		return sink, nil, err
	default:
		return printSink{term.out}, nil, nil
	}
}

// replay runs a pipeline on the recording, and prints what it did.
func replay(
	ctx context.Context, e *pipeline.Engine, camera config.Camera, options pipeline.Options, term console,
	log zerolog.Logger,
) error {
	bar := newProgress(term.err, -1, "frames")
	options.Observers = append(options.Observers, frameProgress{bar: bar})
	done, err := runRecording(ctx, e, camera, options, log)
	if err != nil {
		return err
	}
	bar.finish()
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted after %d frames", done.source.Frames)
	}
	printStats(term.err, done)
	if stats := done.source; stats.Skipped > 0 {
		skipped := english.Plural(int(stats.Skipped), "image", "") //nolint:gosec // few
		fmt.Fprintf(term.err, "%s could not be read; the last was %s\n", skipped, stats.LastError)
	}
	return nil
}

// recordingRun is what a pipeline did with a recording.
type recordingRun struct {
	pipeline pipeline.Stats
	source   capture.Stats
	took     time.Duration
}

// runRecording runs a pipeline on a recording until its end or that of ctx. It closes the engine.
func runRecording(
	ctx context.Context, e *pipeline.Engine, camera config.Camera, options pipeline.Options, log zerolog.Logger,
) (done recordingRun, err error) {
	p, err := pipeline.New(camera, e, options, log.With().Str("camera", camera.Name).Logger())
	if err != nil {
		return done, errors.Join(err, e.Close())
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	source, err := pipeline.OpenSource(camera, log)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	start := time.Now()
	err = p.Run(ctx, source)
	return recordingRun{p.Stats(), source.Stats(), time.Since(start)}, err
}

// frameProgress advances a progress bar with each frame.
type frameProgress struct {
	pipeline.NoObserver
	bar progress
}

func (f frameProgress) Frame(pipeline.FrameReport) { f.bar.add() }

// printStats prints the counts of a pipeline and the time of each stage.
func printStats(w io.Writer, done recordingRun) {
	s := done.pipeline
	fmt.Fprintf(w, "%d frames, %d analysed, %d tracks, %d faces judged, %d sent, in %.1f s\n",
		done.source.Frames, s.Analysed, s.Tracks, s.Judged, s.Sent, done.took.Seconds())
	fmt.Fprintf(w, "%-12s %8s %10s %10s\n", "stage", "calls", "ms a call", "s in all")
	for _, stage := range s.Stages {
		total := stage.Total.Seconds()
		fmt.Fprintf(w, "%-12s %8d %10.3f %10.2f\n", stage.Name, stage.Calls, total*1000/float64(stage.Calls), total)
	}
}
