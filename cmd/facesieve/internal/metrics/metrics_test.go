package metrics

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"gocv.io/x/gocv"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/daemon"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/publish/event"
	"facesieve/quality"
)

// testDaemon is the state of a daemon that a test changes, and its metrics.
type testDaemon struct {
	*Metrics
	mutex sync.Mutex
	state daemon.State
	serve func() string // returns a scrape
}

// newTestDaemon returns the metrics of a daemon with these cameras, which are running.
func newTestDaemon(tb testing.TB, cameras ...string) *testDaemon {
	tb.Helper()
	d := &testDaemon{Metrics: New(Build{Version: "1.2.3", OpenCV: "4.6.0", TFLite: "2.20.0"})}
	d.configure(cameras...)
	handler := d.Handler(func() *daemon.State {
		d.mutex.Lock()
		defer d.mutex.Unlock()
		copied := d.state
		return &copied
	})
	d.serve = func() string {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
		if answer.Code != 200 {
			tb.Fatalf("%d %s", answer.Code, answer.Body)
		}
		return answer.Body.String()
	}
	return d
}

// configure makes these the cameras.
func (d *testDaemon) configure(cameras ...string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	cfg := config.Default()
	d.state.Cameras = nil
	for i, name := range cameras {
		camera := cfg.NewCamera()
		camera.Name = name
		cfg.Cameras = append(cfg.Cameras, camera)
		d.state.Cameras = append(d.state.Cameras, daemon.CameraState{Name: name, Worker: uint64(i + 1), State: event.Running})
	}
	d.state.InForce = &config.InForce{Config: cfg}
}

// want fails the test unless a scrape has all these lines.
func (d *testDaemon) want(t *testing.T, lines ...string) {
	t.Helper()
	got := "\n" + d.serve()
	for _, line := range lines {
		if !strings.Contains(got, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			t.Errorf("no line %s, but\n%s", line, strings.Join(regexp.MustCompile(`(?m)^`+name+`.*$`).FindAllString(got, -1), "\n"))
		}
	}
}

func newFace(camera string, score float64) *pipeline.Candidate {
	return &pipeline.Candidate{
		Camera: camera, Judgement: pipeline.Judgement{Scored: true, Score: quality.Score{Value: score}},
	}
}

func (d *testDaemon) decide(camera, visit string, reason quality.Reason) {
	d.Decided(pipeline.Decision{
		Visit: quality.Visit{ID: visit}, Send: reason == "", Reason: reason, Face: newFace(camera, 50),
	})
}

func TestObserver(t *testing.T) {
	d := newTestDaemon(t, "gate", "yard")
	d.Frame(pipeline.FrameReport{Camera: "gate", Analysed: true})
	d.Frame(pipeline.FrameReport{Camera: "gate", Skipped: pipeline.SkippedByMotion})
	d.Frame(pipeline.FrameReport{Camera: "gate", Skipped: pipeline.SkippedByMotion})
	d.Judged(newFace("gate", 12), gocv.Mat{}, quality.ReasonLowQuality)
	d.Judged(newFace("gate", 80), gocv.Mat{}, "")
	unscored := newFace("gate", 0)
	unscored.Judgement.Scored = false
	d.Judged(unscored, gocv.Mat{}, quality.ReasonTooSmall)
	shown := newFace("gate", 90) // scored for the gallery alone
	shown.Judgement.Reason = quality.ReasonPose
	d.Judged(shown, gocv.Mat{}, quality.ReasonPose)
	d.Stage("gate", "motion gate", 3*time.Millisecond)
	d.want(t,
		`facesieve_build_info{opencv="4.6.0",tflite="2.20.0",version="1.2.3"} 1`,
		`facesieve_frames_dropped_total{camera="gate",reason="motion"} 2`,
		`facesieve_face_score_bucket{camera="gate",le="10"} 0`,
		`facesieve_face_score_bucket{camera="gate",le="15"} 1`,
		`facesieve_face_score_sum{camera="gate"} 92`,
		`facesieve_face_score_count{camera="yard"} 0`,
		`facesieve_stage_seconds_bucket{camera="gate",stage="motion_gate",le="0.0025"} 0`,
		`facesieve_stage_seconds_bucket{camera="gate",stage="motion_gate",le="0.005"} 1`,
	)
	got := d.serve()
	if !strings.Contains(got, `facesieve_last_frame_timestamp_seconds{camera="gate"} 1.`) ||
		strings.Contains(got, `facesieve_last_frame_timestamp_seconds{camera="yard"}`) {
		t.Error("the time of the last frame is wrong")
	}
}

// A visit counts once, whatever its policy sends, and a rejection after a sent face does not count.
func TestVisits(t *testing.T) {
	d := newTestDaemon(t, "gate")
	d.decide("gate", "a", "")
	d.decide("gate", "a", "")
	d.decide("gate", "a", quality.ReasonStatic)
	d.decide("gate", "b", quality.ReasonTooBlurred)
	d.decide("gate", "b", quality.ReasonStatic)
	d.decide("gate", "c", quality.ReasonLowQuality)
	d.decide("gate", "c", "") // the person returned, and came closer
	d.want(t,
		`facesieve_faces_sent_total{camera="gate"} 3`,
		`facesieve_visits_total{camera="gate"} 3`,
		`facesieve_visits_sent_total{camera="gate"} 2`,
		`facesieve_visits_rejected_total{camera="gate",reason="too_blurred"} 1`,
		`facesieve_visits_rejected_total{camera="gate",reason="low_quality"} 1`,
		`facesieve_visits_rejected_total{camera="gate",reason="static"} 0`,
	)
	for i := range 3 * rememberedVisits {
		d.decide("gate", fmt.Sprint(i), "")
	}
	if n := len(d.cameras["gate"].decisions.results); n != rememberedVisits {
		t.Errorf("%d visits are remembered", n)
	}
}

func TestState(t *testing.T) {
	d := newTestDaemon(t, "gate", "yard")
	d.state.Cameras[0].Source = capture.Stats{
		Frames: 100, Dropped: 20, OverRate: 60, Idle: 5, Stale: 3, Skipped: 2, Reconnects: 4,
		Decoding: 1500 * time.Millisecond,
	}
	d.state.Cameras[0].Health = event.Health{State: event.HealthDegraded, Reason: "dark"}
	d.state.Cameras[1].State = event.Stopped
	d.state.InForce.Cameras[1].Enabled = false
	d.state.Reloaded, d.state.ReloadRefused = time.UnixMilli(1_700_000_000_500), "configuration refused"
	up := &d.state.Uplink
	up.Connected, up.Queued, up.Held, up.Bytes, up.Delivered = true, 7, 2, 4096, 9
	up.Dropped.Full, up.Dropped.Expired, up.Refused.Disk = 1, 2, 3
	up.Latencies.Counts[0], up.Latencies.Counts[2], up.Latencies.Counts[12], up.Latencies.Sum = 4, 1, 2, 90*time.Second
	d.want(t,
		`facesieve_camera_up{camera="gate"} 1`, `facesieve_camera_up{camera="yard"} 0`,
		`facesieve_camera_degraded{camera="gate",reason="dark"} 1`, `facesieve_camera_degraded{camera="gate",reason="moved"} 0`,
		`facesieve_camera_enabled{camera="gate"} 1`, `facesieve_camera_enabled{camera="yard"} 0`,
		`facesieve_camera_reconnects_total{camera="gate"} 4`, `facesieve_frames_total{camera="gate"} 105`,
		`facesieve_frames_dropped_total{camera="gate",reason="newer_frame"} 20`,
		`facesieve_frames_dropped_total{camera="gate",reason="stale"} 3`,
		`facesieve_frames_dropped_total{camera="gate",reason="unreadable"} 2`,
		`facesieve_frames_dropped_total{camera="gate",reason="max_fps"} 60`,
		`facesieve_frames_dropped_total{camera="gate",reason="idle"} 5`,
		`facesieve_decoding_cpu_seconds_total{camera="gate"} 1.5`,
		`facesieve_broker_connected 1`, `facesieve_outbox_events 7`, `facesieve_outbox_held_events 2`,
		`facesieve_outbox_bytes 4096`, `facesieve_outbox_delivered_total 9`,
		`facesieve_outbox_dropped_total{reason="full"} 1`, `facesieve_outbox_dropped_total{reason="expired"} 2`,
		`facesieve_outbox_refused_total{reason="disk"} 3`,
		`facesieve_publish_latency_seconds_bucket{le="0.005"} 4`, `facesieve_publish_latency_seconds_bucket{le="0.025"} 5`,
		`facesieve_publish_latency_seconds_bucket{le="30"} 5`, `facesieve_publish_latency_seconds_bucket{le="+Inf"} 7`,
		`facesieve_publish_latency_seconds_sum 90`, `facesieve_publish_latency_seconds_count 7`,
		`facesieve_config_reload_success 0`, `facesieve_config_reload_timestamp_seconds 1.7000000005e+09`,
	)
}

// A reload that changes the source replaces the worker, whose counts begin at zero. The counters go on.
func TestCountersGoOnWithAnotherWorker(t *testing.T) {
	d := newTestDaemon(t, "gate")
	camera := &d.state.Cameras[0]
	for i, c := range []struct {
		worker, frames, want uint64
	}{{1, 100, 100}, {1, 150, 150}, {2, 0, 150}, {2, 30, 180}, {3, 0, 180}, {4, 5, 185}} {
		camera.Worker, camera.Source.Frames = c.worker, c.frames
		d.Frame(pipeline.FrameReport{Camera: "gate", Skipped: pipeline.SkippedByMotion})
		d.want(t, fmt.Sprintf(`facesieve_frames_total{camera="gate"} %d`, c.want),
			fmt.Sprintf(`facesieve_frames_dropped_total{camera="gate",reason="motion"} %d`, i+1))
	}
}

// The series of a removed camera disappear, also if its pipeline still ends. When it returns, it begins at zero.
func TestRemovedCamera(t *testing.T) {
	d := newTestDaemon(t, "gate", "yard")
	d.decide("gate", "a", "")
	d.want(t, `facesieve_faces_sent_total{camera="gate"} 1`)
	d.configure("yard")
	for range 2 {
		if got := d.serve(); strings.Contains(got, `"gate"`) || !strings.Contains(got, `"yard"`) {
			t.Error("a removed camera has series")
		}
		d.decide("gate", "b", "")
	}
	d.configure("gate")
	d.serve()
	d.configure()
	d.serve()
	if len(d.cameras) != 0 {
		t.Errorf("%d cameras are kept", len(d.cameras))
	}
}

// The names follow the conventions of Prometheus, and no label stands for a person.
func TestNamesAndLabels(t *testing.T) {
	d := newTestDaemon(t, "gate")
	d.Stage("gate", "detect", time.Millisecond)
	problems, err := testutil.GatherAndLint(d.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	families, err := d.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]bool{}
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "facesieve_") {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				labels[label.GetName()] = true
			}
		}
	}
	got := slices.Sorted(maps.Keys(labels))
	if want := []string{"camera", "opencv", "reason", "stage", "tflite", "version"}; !slices.Equal(got, want) {
		t.Errorf("labels %q, want %q", got, want)
	}
}

// Pipelines report while two programs scrape. Run with -race.
func TestConcurrentUse(t *testing.T) {
	d := newTestDaemon(t, "gate", "yard")
	const rounds = 200
	var group sync.WaitGroup
	for _, camera := range []string{"gate", "gate", "yard", "removed"} {
		group.Go(func() {
			for i := range rounds {
				d.Frame(pipeline.FrameReport{Camera: camera, Skipped: pipeline.SkippedByMotion})
				d.Judged(newFace(camera, 40), gocv.Mat{}, "")
				d.decide(camera, fmt.Sprint(i), "")
				d.Stage(camera, "detect", time.Millisecond)
			}
		})
	}
	for range 2 {
		group.Go(func() {
			for range 20 {
				d.serve()
			}
		})
	}
	group.Wait()
	d.want(t, fmt.Sprintf(`facesieve_faces_sent_total{camera="gate"} %d`, 2*rounds))
}

// BenchmarkFrame is the cost of an analysed frame with one face: 13 stages, a judgement and the frame itself.
func BenchmarkFrame(b *testing.B) {
	d := newTestDaemon(b, "gate")
	face := newFace("gate", 40)
	for b.Loop() {
		for range 13 {
			d.Stage("gate", "detect", 2*time.Millisecond)
		}
		d.Judged(face, gocv.Mat{}, "")
		d.Frame(pipeline.FrameReport{Camera: "gate", Analysed: true})
	}
}

// BenchmarkScrape is the cost of a scrape with four cameras.
func BenchmarkScrape(b *testing.B) {
	names := []string{"a", "b", "c", "d"}
	d := newTestDaemon(b, names...)
	for _, name := range names {
		for _, stage := range []string{"motion gate", "cut", "detect", "track", "refine", "align", "measure", "score", "select"} {
			d.Stage(name, stage, time.Millisecond)
		}
	}
	for b.Loop() {
		d.serve()
	}
}
