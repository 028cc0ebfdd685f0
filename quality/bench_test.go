package quality

import (
	"fmt"
	"testing"

	"gocv.io/x/gocv"
)

func BenchmarkAlign(b *testing.B) {
	frame := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(90, 120, 150, 0), 1080, 1920, gocv.MatTypeCV8UC3)
	closeLater(b, &frame)
	aligned := newMat(b)
	for _, eyes := range []float64{20, 50, 100, 300} {
		b.Run(fmt.Sprintf("eyes=%gpx", eyes), func(b *testing.B) {
			aligner := NewAligner()
			defer func() { _ = aligner.Close() }()
			scale := eyes / 35.24
			landmarks := place(5, scale, 900-56*scale, 540-70*scale)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := aligner.Align(frame, landmarks, &aligned); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
