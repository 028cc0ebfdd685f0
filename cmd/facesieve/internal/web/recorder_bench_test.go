package web

import (
	"fmt"
	"image"
	"runtime"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/quality"
)

// BenchmarkRecorderMemory reports the memory that a recorder holds when every bound is reached: 200 visits of 100 points,
// with 12 pictures and 12 sent ones each.
func BenchmarkRecorderMemory(b *testing.B) {
	pixels := facePixels(b)
	for b.Loop() {
		before := heap()
		r := NewRecorder(PageBounds(), zerolog.Nop())
		bounds := PageBounds()
		for i := range bounds.Visits {
			fillVisit(r, bounds, fmt.Sprint(i), pixels)
		}
		for waiting := true; waiting; time.Sleep(time.Millisecond) {
			waiting = len(r.encoding) > 0
		}
		b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
		b.ReportMetric(float64(r.dropped), "unpictured")
		r.Close()
		runtime.KeepAlive(r)
	}
}

// fillVisit adds a visit with as many points, pictures and sent faces as it can have.
func fillVisit(r *Recorder, bounds Bounds, id string, pixels []byte) {
	add := func(i int, at time.Duration, sent bool) {
		c := newFace("gate", id, 1, at, float64(i%50))
		c.Pixels = pixels
		judge(r, c, "")
		if sent {
			send(r, c)
		}
		for len(r.encoding) > maxEncoding/2 { // the bench is faster than any camera
			time.Sleep(100 * time.Microsecond)
		}
	}
	for i := range bounds.Points {
		add(i, time.Duration(i)*bounds.Pause/8, false) // 12 pictures
	}
	for i := range bounds.Sent {
		add(i, time.Hour+time.Duration(i)*time.Millisecond, true)
	}
}

// facePixels returns a face, 112x112 BGR.
func facePixels(b *testing.B) []byte {
	b.Helper()
	picture := gocv.IMRead(testsupport.FaceImage(b), gocv.IMReadColor)
	defer picture.Close()
	face := gocv.NewMat()
	defer face.Close()
	side := min(picture.Cols(), picture.Rows())
	square := picture.Region(image.Rect(0, 0, side, side))
	defer square.Close()
	if err := gocv.Resize(square, &face, image.Pt(quality.Size, quality.Size), 0, 0, gocv.InterpolationArea); err != nil {
		b.Fatal(err)
	}
	return face.ToBytes()
}

// heap returns the bytes of live objects.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
