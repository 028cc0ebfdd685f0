package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/google/renameio/v2"
	"github.com/rs/zerolog"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/feedback"
	"facesieve/cmd/facesieve/internal/logging"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/cmd/facesieve/internal/web"
	"facesieve/models"
	"facesieve/publish/event"
	"facesieve/quality"
)

type calibrateCommand struct {
	Config   filePath  `help:"Configuration file. Default: the built-in one."`
	Camera   string    `help:"Name of the camera in the configuration whose settings apply. Default: the first."`
	Out      filePath  `placeholder:"FILE.html" help:"File to write. Default: the recording's name with .html, in this directory."`
	Feedback filePath  `placeholder:"DIR" help:"State directory of the service, such as /var/lib/facesieve: the report also shows what the camera has learned from recognisers."`
	Start    time.Time `default:"1970-01-01T00:00:00Z" help:"Start of the first recording (RFC 3339); others follow it."`
	Video    filePath  `arg:"" name:"video|dir" help:"A recording, or a directory of recordings or of images."`
}

// Run takes every frame of the recordings through the pipeline, and writes a report that opens at its Calibrate view.
func (c *calibrateCommand) Run(ctx context.Context, term console) (err error) {
	videos, err := recordingsAt(string(c.Video))
	if err != nil {
		return err
	}
	cfg, camera, err := recordingSettings(c.Config, c.Camera, false)
	if err != nil {
		return err
	}
	networks, err := pipeline.OpenNetworks(cfg, camera)
	if err != nil {
		return err
	}
	learned, err := c.learned(camera, networks.Quality())
	if err != nil {
		return err
	}
	path := c.out()
	file, err := createReport(path) // before the recordings are run, which may take hours
	if err != nil {
		return err
	}
	defer func() { _ = file.Cleanup() }() // nothing to do after the replacement
	log := logging.New(cfg.Log, term.err)
	recorder := web.NewRecorder(web.ReportBounds(), log)
	defer recorder.Close()
	run := calibration{
		cfg: cfg, camera: camera, networks: networks, recorder: recorder, start: c.Start, term: term, log: log,
	}
	skipped := run.all(ctx, videos)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted after %s; no report was written", english.Plural(run.frames, "frame", ""))
	}
	if len(run.recordings) == 0 {
		return skipped
	}
	text, err := recorder.Report(web.Report{
		Title: filepath.Base(string(c.Video)), Program: version, Cameras: []config.Camera{camera},
		Networks: networks.Manifests(), Recordings: run.recordings, View: web.ViewCalibrate, Feedback: learned,
	})
	if err != nil {
		return err
	}
	if _, err := file.Write(text); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	run.printEnd(path)
	return skipped
}

// learned returns what the service has learned about the camera; nil: it is not to be shown.
func (c *calibrateCommand) learned(
	camera config.Camera, network models.Manifest,
) (map[string]*feedback.Snapshot, error) {
	if c.Feedback == "" {
		return nil, nil //nolint:nilnil // nothing to show
	}
	learned, err := feedback.Read(string(c.Feedback), network, camera.Name, feedback.SettingsOf(camera.Quality), time.Now())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s has no feedback.json; name the state directory of a service with feedback.enabled: "+
			"true that has run for ten minutes", printablePath(string(c.Feedback)))
	case err != nil:
		return nil, fmt.Errorf("read what was learned: %w", err)
	}
	return map[string]*feedback.Snapshot{camera.Name: &learned}, nil
}

// createReport returns a file that gets its path when it is complete.
func createReport(path string) (*renameio.PendingFile, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("write the report: %s is a directory; name a file with --out", printablePath(path))
	}
	file, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o600), renameio.WithTempDir(filepath.Dir(path)))
	if err != nil {
		if fault := new(fs.PathError); errors.As(err, &fault) {
			err = fault.Err // without the name of the temporary file
		}
		return nil, fmt.Errorf("write %s: %w; name another file with --out", printablePath(path), err)
	}
	return file, nil
}

// out returns the file to write.
func (c *calibrateCommand) out() string {
	if c.Out != "" {
		return string(c.Out)
	}
	name := filepath.Base(string(c.Video))
	return strings.TrimSuffix(name, filepath.Ext(name)) + ".html"
}

// videoExtensions are those of the recordings of a directory. A recording that is named itself may have any.
func videoExtensions() []string {
	return []string{
		".3gp", ".asf", ".avi", ".dav", ".flv", ".h264", ".h265", ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4",
		".mpeg", ".mpg", ".mts", ".ts", ".webm", ".wmv",
	}
}

// recordingsAt returns the recordings in a directory, in the order of their names; path alone if it is a recording, or
// a directory of images without recordings.
func recordingsAt(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return []string{path}, nil
	}
	var entries []os.DirEntry
	if err == nil {
		entries, err = os.ReadDir(path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %w", printablePath(path), cannotRead(err))
	}
	var videos []string
	images := false
	for _, entry := range entries {
		file := filepath.Join(path, entry.Name())
		switch {
		case entry.IsDir() || strings.HasPrefix(entry.Name(), "."):
		case slices.Contains(videoExtensions(), strings.ToLower(filepath.Ext(file))):
			videos = append(videos, file)
		default:
			images = images || capture.IsImageFile(file)
		}
	}
	switch {
	case len(videos) > 0:
		return videos, nil
	case images:
		return []string{path}, nil
	default:
		return nil, fmt.Errorf("%s has no recording (%s) and no image; name a recording, or a directory of recordings "+
			"or of images", printablePath(path), strings.Join(videoExtensions(), " "))
	}
}

// calibration runs recordings of one camera, one after the other in time too.
type calibration struct {
	cfg      config.Config
	camera   config.Camera
	networks pipeline.Networks
	recorder *web.Recorder
	start    time.Time // of the next recording
	term     console
	log      zerolog.Logger

	visits     uint64 // that began
	frames     int
	recordings []web.Recording // that were read to their end
}

// all runs the recordings until ctx ends. It continues after one that cannot be read, and returns an error for each of
// them.
func (c *calibration) all(ctx context.Context, videos []string) (skipped error) {
	for i, video := range videos {
		if ctx.Err() != nil {
			break
		}
		before, _, _ := c.recorder.Recorded()
		recording := web.Recording{Name: filepath.Base(video), Start: c.start}
		if err := c.one(ctx, video); err != nil {
			skipped = errors.Join(skipped, err)
			continue
		}
		c.recordings = append(c.recordings, recording)
		if len(videos) > 1 {
			visits, _, _ := c.recorder.Recorded()
			fmt.Fprintf(c.term.err, "%d of %d: %s, %s\n", i+1, len(videos), printable(recording.Name),
				english.Plural(visits-before, "visit", ""))
		}
	}
	return skipped
}

// one runs a recording.
func (c *calibration) one(ctx context.Context, video string) error {
	camera := c.camera
	camera.Capture = recordingAt(camera.Capture, video)
	camera.Capture.Start = c.start
	e, err := pipeline.OpenEngine(c.networks, c.cfg, camera, c.log)
	if err != nil {
		return err
	}
	bar := newProgress(c.term.err, -1, "frames")
	defer bar.finish()
	clock := &recordingClock{last: c.start}
	_, err = runRecording(ctx, e, camera, pipeline.Options{
		Sink: noSink{}, Observers: []pipeline.Observer{c.recorder, frameProgress{bar: bar}, clock}, ScoreAll: true,
		NewVisitID: func(first time.Time) string {
			c.visits++
			return event.ReplayID(first, c.cfg.Device, camera.Name+"/visit", c.visits)
		},
	}, c.log)
	c.frames += clock.frames
	const pause = time.Minute // so that nobody is in two recordings
	c.start = clock.last.Add(pause)
	return err
}

// printEnd prints what the report has and where it is.
func (c *calibration) printEnd(path string) {
	visits, faces, leftOut := c.recorder.Recorded()
	if leftOut > 0 {
		fmt.Fprintf(c.term.err, "%s more are left out of the report: it has the first %d\n",
			english.Plural(leftOut, "face", ""), faces)
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	fmt.Fprintf(c.term.out, "%s with %s of %s; open in a browser: %s\n", english.Plural(visits, "visit", ""),
		english.Plural(faces, "face", ""), english.Plural(len(c.recordings), "recording", ""), printablePath(path))
}

// recordingClock counts the frames of a recording, and keeps the time of the last.
type recordingClock struct {
	pipeline.NoObserver
	last   time.Time
	frames int
}

// Frame counts a frame.
func (c *recordingClock) Frame(f pipeline.FrameReport) { c.last, c.frames = f.Time, c.frames+1 }

// noSink is a sink for observers that show the decisions.
type noSink struct{}

func (noSink) Face(*pipeline.Candidate) error                     { return nil }
func (noSink) Rejected(*pipeline.Candidate, quality.Reason) error { return nil }
