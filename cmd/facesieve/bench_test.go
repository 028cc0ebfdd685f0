package main

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/testsupport"
)

// BenchmarkPipeline compares the whole pipeline with decoding alone: the ratio of their processor times, in one run.
func BenchmarkPipeline(b *testing.B) {
	for _, name := range []string{"street_exit.mp4", "empty_room.mp4"} {
		b.Run(name, func(b *testing.B) {
			video := testsupport.SharedVideo(b, name)
			var decoding, pipeline time.Duration
			frames := 0
			for b.Loop() {
				start := testsupport.ProcessorTime(b)
				frames += decodeAll(b, video)
				middle := testsupport.ProcessorTime(b)
				if code := run(b.Context(), []string{"replay", video}, io.Discard, io.Discard); code != exitOK {
					b.Fatalf("exit code %d", code)
				}
				decoding += middle - start
				pipeline += testsupport.ProcessorTime(b) - middle
			}
			b.ReportMetric(pipeline.Seconds()/decoding.Seconds(), "x-decoding")
			b.ReportMetric(1000*decoding.Seconds()/float64(frames), "decode-cpu-ms/frame")
			b.ReportMetric(1000*pipeline.Seconds()/float64(frames), "cpu-ms/frame")
		})
	}
}

// decodeAll reads every frame and does nothing with it.
func decodeAll(b *testing.B, video string) int {
	b.Helper()
	cfg := capture.Default()
	cfg.URL, cfg.Pace = video, capture.Fast
	source, err := capture.Open(cfg, zerolog.Nop())
	if err != nil {
		b.Fatal(err)
	}
	defer source.Close() //nolint:errcheck // a file that was read to its end
	frame := capture.Frame{Mat: gocv.NewMat()}
	defer func() { frame.Mat.Close() }()
	for n := 0; ; n++ {
		err := source.Next(context.Background(), &frame)
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
