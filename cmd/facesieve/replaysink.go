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

	"github.com/rs/zerolog"

	"facesieve/publish"
	"facesieve/publish/outbox"
	"facesieve/quality"
)

// printSink prints a line for each face and keeps nothing.
type printSink struct{ out io.Writer }

func (p printSink) face(c *candidate) error {
	_, err := fmt.Fprintf(p.out, "track %d, score %5.1f, %s\n", c.Track, c.Judgement.Score.Value, describe(c))
	return err
}

func (p printSink) rejected(c *candidate, reason quality.Reason) error {
	_, err := fmt.Fprintf(p.out, "track %d, nothing to send: %s\n", c.Track, reason)
	return err
}

func (printSink) seen() *gallery { return nil }
func (printSink) close() error   { return nil }

// folderSink writes events.jsonl, a picture for each event and a page with all faces seen into a folder. The events
// appear under their final name when they are complete.
type folderSink struct {
	printSink
	encoder   encoder
	folder    string
	threshold float64
	events    *os.File
	gallery   *gallery
}

// partial is the name of events.jsonl while it is written.
const partial = ".events.jsonl.partial"

func newFolderSink(folder string, e encoder, threshold float64, out io.Writer) (*folderSink, error) {
	if err := os.MkdirAll(filepath.Join(folder, "faces"), 0o700); err != nil {
		return nil, fmt.Errorf("make the output folder: %w", err)
	}
	events, err := os.OpenFile(filepath.Join(folder, partial), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // the user names the folder
	if err != nil {
		return nil, fmt.Errorf("write events: %w", err)
	}
	return &folderSink{
		printSink: printSink{out}, encoder: e, folder: folder, threshold: threshold, events: events, gallery: &gallery{},
	}, nil
}

func (f *folderSink) seen() *gallery { return f.gallery }

func (f *folderSink) face(c *candidate) error {
	event, err := f.encoder.event(c)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(f.events).Encode(event); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	if err := saveFace(filepath.Join(f.folder, "faces"), faceFile(event), event); err != nil {
		return err
	}
	return f.printSink.face(c)
}

func (f *folderSink) close() error {
	if err := f.events.Close(); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	if err := os.Rename(filepath.Join(f.folder, partial), filepath.Join(f.folder, "events.jsonl")); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	if err := f.gallery.write(f.folder, f.threshold); err != nil {
		return err
	}
	fmt.Fprintf(f.out, "every face, its score, and the ones that were sent: %s\n", filepath.Join(f.folder, "index.html"))
	return nil
}

// deliveryTime is how long replay waits at its end for the broker to take the last events.
const deliveryTime = 30 * time.Second

// patientQueue is how many events replay lets wait for the broker: far fewer than an outbox would drop any for.
const patientQueue = 100

// patientSink publishes and waits when the outbox is full: a recording can wait, unlike a camera.
type patientSink struct {
	mqttSink
	publisher *publish.Publisher
	box       *outbox.Queue
	ctx       context.Context
}

// openPatientSink opens an outbox in memory, so that the daemon's own on disk is left alone, and a publisher.
func openPatientSink(ctx context.Context, cfg Config, encode encoder, log zerolog.Logger) (*patientSink, error) {
	log = log.With().Str("component", "publish").Logger()
	settings := outbox.Default()
	settings.Store, settings.DrainRate = outbox.Memory, 1000 // nothing else is waiting for the broker
	box, err := outbox.Open(settings, log)
	if err != nil {
		return nil, err
	}
	publisher, err := publish.Open(cfg.MQTT, box, log)
	if err != nil {
		return nil, errors.Join(err, box.Close())
	}
	return &patientSink{
		ctx: ctx, box: box, publisher: publisher, mqttSink: mqttSink{outlet: publisher, encoder: encode, log: log},
	}, nil
}

func (p *patientSink) face(c *candidate) error {
	event, err := p.encoder.event(c)
	if err != nil {
		return err
	}
	for p.box.Stats().Queued >= patientQueue {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
	}
	return p.publisher.Publish(event)
}

func (*patientSink) seen() *gallery { return nil }

func (p *patientSink) close() error {
	ctx, cancel := context.WithTimeout(p.ctx, deliveryTime)
	defer cancel()
	p.publisher.Close(ctx)
	return p.box.Close()
}
