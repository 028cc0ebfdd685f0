package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/cmd/facesieve/internal/web"
	"facesieve/publish"
	"facesieve/publish/outbox"
	"facesieve/quality"
)

// printSink prints a line for each decision.
type printSink struct{ out io.Writer }

func (p printSink) Face(c *pipeline.Candidate) error {
	_, err := fmt.Fprintf(p.out, "track %d, score %5.1f, %s\n", c.Track, c.Judgement.Score.Value, pipeline.Describe(c))
	return err
}

func (p printSink) Rejected(c *pipeline.Candidate, reason quality.Reason) error {
	_, err := fmt.Fprintf(p.out, "track %d, nothing to send: %s\n", c.Track, pipeline.ReasonsText(c, reason))
	return err
}

func (printSink) close() error { return nil }

// directorySink writes events.jsonl, an image file for each event, and a report with all faces into a directory.
// events.jsonl gets its name when it is complete.
type directorySink struct {
	printSink
	encoder   pipeline.Encoder
	directory string
	events    *os.File
	recorder  *web.Recorder
	report    web.Report
}

// partial is the name of events.jsonl while it is written.
const partial = ".events.jsonl.partial"

func newDirectorySink(
	directory string, e pipeline.Encoder, report web.Report, term console, log zerolog.Logger,
) (*directorySink, error) {
	if err := os.MkdirAll(filepath.Join(directory, "faces"), 0o700); err != nil {
		return nil, fmt.Errorf("create the output directory: %w", err)
	}
	const flags = os.O_CREATE | os.O_TRUNC | os.O_WRONLY
	events, err := os.OpenFile(filepath.Join(directory, partial), flags, 0o600) //nolint:gosec // the user names it
	if err != nil {
		return nil, fmt.Errorf("write events: %w", err)
	}
	return &directorySink{
		printSink: printSink{term.out}, encoder: e, directory: directory, events: events,
		recorder: web.NewRecorder(web.ReportBounds(), log), report: report,
	}, nil
}

func (f *directorySink) Face(c *pipeline.Candidate) error {
	event, err := f.encoder.Event(c)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(f.events).Encode(event); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	if err := saveFace(filepath.Join(f.directory, "faces"), faceFile(event), event); err != nil {
		return err
	}
	return f.printSink.Face(c)
}

func (f *directorySink) close() error {
	defer f.recorder.Close()
	if err := f.events.Close(); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	if err := os.Rename(filepath.Join(f.directory, partial), filepath.Join(f.directory, "events.jsonl")); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	page, err := writeReport(f.directory, f.recorder, f.report)
	if err != nil {
		return err
	}
	fmt.Fprintf(f.out, "every face, its score, and the ones that were sent: %s\n", printablePath(page))
	return nil
}

// writeReport writes index.html into a directory, and returns its path. The file is complete, or not changed.
func writeReport(directory string, recorder *web.Recorder, report web.Report) (string, error) {
	text, err := recorder.Report(report)
	if err != nil {
		return "", err
	}
	path := filepath.Join(directory, "index.html")
	if err := renameio.WriteFile(path, text, 0o600, renameio.WithTempDir(directory)); err != nil {
		return "", fmt.Errorf("write the report: %w", err)
	}
	return path, nil
}

// deliveryTime is how long replay waits at its end for the broker to acknowledge the last events.
const deliveryTime = 30 * time.Second

// maxWaiting is how many events wait for the broker while a recording is replayed. An outbox that holds more drops none
// of them yet.
const maxWaiting = 100

// waitingSink publishes events, and waits while many events wait for the broker. A recording can wait, unlike a camera.
type waitingSink struct {
	pipeline.EventSink
	publisher *publish.Publisher
	queue     *outbox.Queue
	ctx       context.Context
}

// openWaitingSink opens a publisher and an outbox in memory. The outbox of a daemon on this machine is not used.
func openWaitingSink(
	ctx context.Context, cfg config.Config, encoder pipeline.Encoder, log zerolog.Logger,
) (*waitingSink, error) {
	log = log.With().Str("component", "publish").Logger()
	settings := outbox.Default()
	settings.Store, settings.DrainRate = outbox.Memory, 1000 // the outbox holds no other events
	queue, err := outbox.Open(settings, log)
	if err != nil {
		return nil, err
	}
	publisher, err := publish.Open(cfg.MQTT, queue, log)
	if err != nil {
		return nil, errors.Join(err, queue.Close())
	}
	return &waitingSink{
		ctx: ctx, queue: queue, publisher: publisher,
		EventSink: pipeline.EventSink{Uplink: publisher, Encoder: encoder, Log: log},
	}, nil
}

func (p *waitingSink) Face(c *pipeline.Candidate) error {
	event, err := p.Encoder.Event(c)
	if err != nil {
		return err
	}
	for p.queue.Stats().Queued >= maxWaiting {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
	}
	return p.publisher.Publish(event)
}

func (p *waitingSink) close() error {
	ctx, cancel := context.WithTimeout(p.ctx, deliveryTime)
	defer cancel()
	p.publisher.Close(ctx)
	return p.queue.Close()
}
