package main

import (
	"context"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/capture"
)

// processorTime is what this process has used so far, of all cores.
func processorTime(b testing.TB) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkPipeline compares the whole pipeline with decoding alone: the ratio of their processor times, in one run.
func BenchmarkPipeline(b *testing.B) {
	for _, name := range []string{"street_exit.mp4", "empty_room.mp4"} {
		b.Run(name, func(b *testing.B) {
			video := sharedVideo(b, name)
			var decoding, pipeline time.Duration
			frames := 0
			for b.Loop() {
				start := processorTime(b)
				frames += decodeAll(b, video)
				middle := processorTime(b)
				if code := run(b.Context(), []string{"replay", video}, io.Discard, io.Discard); code != exitOK {
					b.Fatalf("exit code %d", code)
				}
				decoding += middle - start
				pipeline += processorTime(b) - middle
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
