package health_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/health"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish/event"
)

// show passes one frame a second to the observer, and returns the time of the next.
func show(o *health.Observer, frame gocv.Mat, start time.Time, seconds int) time.Time {
	for second := range seconds {
		o.Frame(pipeline.FrameReport{Camera: "door/1 %", Time: start.Add(time.Duration(second) * time.Second), Image: frame})
	}
	return start.Add(time.Duration(seconds) * time.Second)
}

// boards returns a frame with a pattern.
func boards(t *testing.T) gocv.Mat {
	t.Helper()
	frame := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(90, 100, 110, 0), 192, 320, gocv.MatTypeCV8UC3)
	for x := 0; x < 320; x += 14 {
		for y := 0; y < 192; y += 18 {
			testsupport.Must(t, gocv.Rectangle(&frame, image.Rect(x, y, x+9, y+(x+y)%13), color.RGBA{R: 230, G: uint8(x)}, -1))
		}
	}
	return frame
}

func door() config.Camera {
	camera := config.Default().NewCamera()
	camera.Name, camera.Capture.URL = "door/1 %", "rtsp://viewer:secret@10.0.0.1/stream"
	return camera
}

func TestObserverReportsLogsAndRemembers(t *testing.T) {
	state := t.TempDir()
	var log bytes.Buffer
	usual, covered := boards(t), boards(t)
	defer usual.Close()
	defer covered.Close()
	covered.SetTo(gocv.NewScalar(90, 100, 110, 0))

	o := health.New(state, zerolog.New(&log))
	camera := door()
	o.Configure([]config.Camera{camera})
	if o.Health(camera.Name) != (event.Health{}) {
		t.Error("there is a state before the first frame")
	}
	now := show(o, usual, time.Date(2026, 3, 2, 12, 0, 0, 0, time.Local), 11*60)
	if h := o.Health(camera.Name); h.State != event.HealthOK {
		t.Errorf("%+v", h)
	}
	now = show(o, covered, now, 90)
	if h := o.Health(camera.Name); h.Reason != health.Covered {
		t.Errorf("%+v", h)
	}
	now = show(o, usual, now, 60)
	o.Close()
	for _, want := range []string{
		`"level":"warn","component":"health","camera":"door/1 %","reason":"covered"`, "remove what covers the lens",
		`"level":"info"`, `"reason":"covered","lasted":"1m`, "the picture is as usual again",
	} {
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("%s is not once in\n%s", want, log.String())
		}
	}

	o = health.New(state, zerolog.New(&log))
	o.Configure([]config.Camera{camera})
	now = show(o, usual, now, 12)
	if h := o.Health(camera.Name); h.State != event.HealthOK {
		t.Errorf("after a restart: %+v", h)
	}
	camera.Detect.ROI = [][2]float64{{0, 0}, {1, 0}, {1, 1}}
	o.Configure([]config.Camera{camera})
	now = show(o, usual, now, 12)
	if h := o.Health(camera.Name); h.State != event.HealthLearning {
		t.Errorf("with another region of interest: %+v", h)
	}
	camera.Health.Enabled = false
	o.Configure([]config.Camera{camera})
	show(o, usual, now, 12)
	if h := o.Health(camera.Name); h != (event.Health{}) {
		t.Errorf("disabled: %+v", h)
	}
	o.Close()
}

// Scores are compared by visits, also with a policy that decides about several faces of each.
func TestObserverComparesVisits(t *testing.T) {
	o := health.New("", zerolog.Nop())
	defer o.Close()
	o.Configure([]config.Camera{door()})
	frame := boards(t)
	defer frame.Close()
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.Local)
	decide := func(visit string, count int, score float64) {
		for i := range count {
			face := &pipeline.Candidate{Camera: door().Name}
			face.Judgement.Scored, face.Judgement.Score.Value = true, score
			d := pipeline.Decision{Face: face, Send: true, At: at}
			if d.Visit.ID = visit; visit == "" {
				d.Visit.ID = fmt.Sprint(score, i)
			}
			o.Decided(d)
		}
		at = show(o, frame, at, 12)
	}
	decide("", 40, 60)
	decide("one person", 40, 20)
	if h := o.Health(door().Name); h.State != event.HealthLearning {
		t.Errorf("%+v", h)
	}
	decide("", 40, 20)
	if h := o.Health(door().Name); h.Reason != health.LowScores || h.Measure != "FaceScore" || h.Measured != 20 {
		t.Errorf("%+v", h)
	}
}

func TestDamagedFileIsRenamed(t *testing.T) {
	state := t.TempDir()
	o := health.New(state, zerolog.Nop())
	o.Configure([]config.Camera{door()})
	o.Close()
	files, err := filepath.Glob(filepath.Join(state, "health", "*"))
	testsupport.Must(t, err)
	if len(files) != 1 || strings.Contains(filepath.Base(files[0]), "/") {
		t.Fatal(files)
	}
	good, err := os.ReadFile(files[0])
	testsupport.Must(t, err)
	if bytes.Contains(good, []byte("10.0.0.1")) || bytes.Contains(good, []byte("secret")) {
		t.Errorf("the file has the address of the camera: %s", good)
	}
	for _, text := range []string{"", string(good[:len(good)/2]), `{"version":2}`, `{"version":1,"dark":{"24":{"weight":1}}}`} {
		testsupport.Must(t, os.WriteFile(files[0], []byte(text), 0o600))
		var log bytes.Buffer
		o := health.New(state, zerolog.New(&log))
		o.Configure([]config.Camera{door()})
		kept, err := os.ReadFile(files[0] + ".damaged")
		if err != nil || string(kept) != text || !strings.Contains(log.String(), "is learned anew") {
			t.Errorf("%q: %q %v %s", text, kept, err, log.String())
		}
		o.Close()
	}
}

// A frame of 1080p a second.
func BenchmarkFrame(b *testing.B) {
	frame := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(90, 100, 110, 0), 1080, 1920, gocv.MatTypeCV8UC3)
	defer frame.Close()
	pixels, err := frame.DataPtrUint8()
	if err != nil {
		b.Fatal(err)
	}
	for i := range pixels {
		pixels[i] = uint8(i * 2654435761 >> 24)
	}
	o := health.New("", zerolog.Nop())
	defer o.Close()
	camera := config.Default().NewCamera()
	camera.Name = "door"
	o.Configure([]config.Camera{camera})
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.Local)
	start := testsupport.ProcessorTime(b)
	for b.Loop() {
		at = at.Add(time.Second)
		o.Frame(pipeline.FrameReport{Camera: "door", Time: at, Image: frame})
	}
	b.ReportMetric(float64(testsupport.ProcessorTime(b)-start)/float64(b.N)/float64(time.Second)*100, "%-of-a-core")
}
