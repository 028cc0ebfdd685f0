package models

import (
	"errors"
	"testing"
	"time"
)

// BenchmarkQuality measures one face on one thread.
func BenchmarkQuality(b *testing.B) { benchmark(b, embeddedModel(b, TaskQuality), 0, 0) }

// BenchmarkQualityResNet34 measures the large student, which is a file beside the program.
func BenchmarkQualityResNet34(b *testing.B) {
	m, err := Load("quality-resnet34.tflite")
	if err != nil {
		b.Fatal(err)
	}
	benchmark(b, m, 0, 0)
}

// BenchmarkDetector measures one frame of 640x360, padded to 640x384, on one thread.
func BenchmarkDetector(b *testing.B) { benchmark(b, embeddedModel(b, TaskDetector), 640, 384) }

// BenchmarkLandmarks measures the refinement of one face, on one thread.
func BenchmarkLandmarks(b *testing.B) {
	m := embeddedModel(b, TaskLandmarks)
	benchmark(b, m, m.Manifest.Refinement.Side, m.Manifest.Refinement.Side)
}

func embeddedModel(b *testing.B, name string) *Model {
	b.Helper()
	m, err := Embedded(name)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// benchmark runs a network under XNNPACK and reports how many times slower the plain kernels are.
func benchmark(b *testing.B, m *Model, width, height int) {
	b.Helper()
	if m.Manifest.Input.Fixed() {
		width, height = m.Manifest.Input.Width, m.Manifest.Input.Height
	}
	image := make([]byte, width*height*3)
	SelfTestImage(image, width, height, 0)
	prepared := func(delegate string) *Interpreter {
		i := start(b, m, delegate)
		if err := errors.Join(i.Resize(width, height), i.SetPixels(image), i.Invoke()); err != nil {
			b.Fatal(err)
		}
		return i
	}
	fast, plain := prepared(DelegateXNNPACK), prepared(DelegateNone)
	slow := time.Duration(1 << 62)
	for range 5 {
		began := time.Now()
		if err := plain.Invoke(); err != nil {
			b.Fatal(err)
		}
		slow = min(slow, time.Since(began))
	}
	for b.Loop() {
		if err := errors.Join(fast.SetPixels(image), fast.Invoke()); err != nil {
			b.Fatal(err)
		}
	}
	per := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(per.Microseconds())/1000, "ms/op")
	b.ReportMetric(slow.Seconds()/per.Seconds(), "none/xnnpack")
}
