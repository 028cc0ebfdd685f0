package detect

import (
	"image"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"facesieve/models"
)

// shared returns the path of a part of the shared data. Without the data it skips the test, or fails it if CI is true.
func shared(t testing.TB, part ...string) string {
	t.Helper()
	root := os.Getenv("FACESIEVE_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "shared")
	}
	path := filepath.Join(append([]string{root, "data"}, part...)...)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("the shared data is missing, set FACESIEVE_SHARED: ", err)
		}
		t.Skip("the shared data is missing, set FACESIEVE_SHARED: ", err)
	}
	return path
}

// embeddedDetector returns a detector with the built-in network.
func embeddedDetector(t testing.TB, cfg Config) *Detector {
	t.Helper()
	m, err := models.Embedded(models.TaskDetector)
	if err != nil {
		t.Fatal(err)
	}
	return newTestDetector(t, cfg, m)
}

// visit summarises one track of a recording.
type visit struct {
	ID      uint64
	Hits    int
	Largest float32 // longer side of the largest box, pixels
	Lasts   time.Duration
}

// track processes every nth frame of a recording with motion gate, detector and tracker.
func track(t testing.TB, d *Detector, cfg Config, path string, nth int) (visits []visit, detections int) {
	t.Helper()
	video, err := gocv.VideoCaptureFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := video.Close(); err != nil {
			t.Error(err)
		}
	}()
	frame := gocv.NewMat()
	defer func() {
		if err := frame.Close(); err != nil {
			t.Error(err)
		}
	}()
	fps, gate, tracker := video.Get(gocv.VideoCaptureFPS), NewMotion(cfg), NewTracker(d.Config())
	var ended []Track
	largest := map[uint64]float32{}
	for i := 0; video.Read(&frame); i++ {
		now := seconds(float64(i) / fps)
		if i%nth != 0 || !gate.Selects(now, frame) && !tracker.Busy() {
			continue
		}
		detections++
		faces, err := d.Detect(frame)
		if err != nil {
			t.Fatal(err)
		}
		active, gone := tracker.Update(now, faces, nil)
		for _, track := range active {
			largest[track.ID] = max(largest[track.ID], track.Face.Box[2], track.Face.Box[3])
		}
		ended = append(ended, gone...)
	}
	for _, track := range append(ended, tracker.Flush()...) {
		visits = append(visits, visit{track.ID, track.Hits, largest[track.ID], track.Last.Sub(track.Start)})
	}
	return visits, detections
}

// TestVideos: the people of the recordings are tracked at full frame rate and at a third of it, there twice with the same
// result.
func TestVideos(t *testing.T) {
	for _, test := range []struct {
		name        string
		least, most int     // tracks
		size        float32 // minimum longer side of the largest face of a counted track, pixels
	}{
		{"corridor.mp4", 1, 2, 150},
		{"two_heads.mp4", 2, 3, 24},
		{"empty_room.mp4", 0, 0, 0},
		{"street_exit.mp4", 5, 20, 24},
		{"walk_in.mp4", 1, 3, 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			path, cfg := shared(t, "videos", test.name), Default()
			d := embeddedDetector(t, cfg)
			for _, nth := range []int{1, 3} {
				visits, detections := track(t, d, cfg, path, nth)
				t.Logf("every frame of %d: %d detections, tracks %+v", nth, detections, visits)
				count := 0
				for _, v := range visits {
					if v.Largest >= test.size {
						count++
					}
				}
				if count < test.least || len(visits) > test.most {
					t.Errorf("every frame of %d: %d tracks, %d large enough, want %d to %d",
						nth, len(visits), count, test.least, test.most)
				}
				if nth == 1 {
					continue
				}
				if second, _ := track(t, d, cfg, path, nth); !reflect.DeepEqual(visits, second) {
					t.Errorf("the second time: %+v", second)
				}
			}
		})
	}
}

// BenchmarkDetect measures one frame of 1080p at 640 wide, the scaling included.
func BenchmarkDetect(b *testing.B) {
	d, frame := embeddedDetector(b, Default()), pattern(b, 1920, 1080)
	for b.Loop() {
		if _, err := d.Detect(frame); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScale measures the scaling of 1080p to 640 wide alone.
func BenchmarkScale(b *testing.B) {
	frame, scaled := pattern(b, 1920, 1080), gocv.NewMat()
	defer func() { _ = scaled.Close() }()
	for name, how := range map[string]gocv.InterpolationFlags{
		"area": gocv.InterpolationArea, "linear": gocv.InterpolationLinear,
	} {
		b.Run(name, func(b *testing.B) {
			size, _ := inputSize(image.Pt(1920, 1080), 640, 32)
			for b.Loop() {
				gocv.Resize(frame, &scaled, size, 0, 0, how)
			}
		})
	}
}
