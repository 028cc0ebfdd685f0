package web

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/daemon"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/detect"
	"facesieve/internal/freeport"
	"facesieve/models"
	"facesieve/publish/event"
	"facesieve/quality"
)

// start is the time of the first frame of the tests.
var start = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// testPage is a served page with a recorder that the test fills.
type testPage struct {
	recorder *Recorder
	token    string
	base     string // the address without a path
	client   *http.Client
	shown    *atomic.Pointer[daemon.State] // of newTestPage
}

// newTestPage serves a page of two cameras, gate and yard, until the test ends.
func newTestPage(t *testing.T, change ...func(*config.Web)) *testPage {
	t.Helper()
	cfg := config.DefaultWeb()
	for _, c := range change {
		c(&cfg)
	}
	shown := &atomic.Pointer[daemon.State]{}
	shown.Store(testState())
	p := serveTestPage(t, cfg, Options{State: shown.Load, Log: zerolog.Nop()})
	p.shown = shown
	return p
}

// serveTestPage serves a page with these options and a new recorder until the test ends.
func serveTestPage(t *testing.T, cfg config.Web, o Options) *testPage {
	t.Helper()
	cfg.Listen, cfg.State = freeport.Address(t), t.TempDir()
	listener, err := Listen(t.Context(), cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	recorder := newTestRecorder(t)
	o.Recorder, o.Versions = recorder, Versions{Program: "1.2.3", OpenCV: "4.6.0", TFLite: "2.20.0"}
	o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("metrics of the test")) })
	server := Serve(listener, o)
	t.Cleanup(func() { testsupport.Must(t, server.Close()) })
	return &testPage{
		recorder: recorder, token: listener.access.token, base: "http://" + cfg.Listen,
		client: &http.Client{Timeout: testsupport.Timeout, Transport: &http.Transport{}, CheckRedirect: stay},
	}
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func newTestRecorder(t *testing.T) *Recorder {
	t.Helper()
	r := NewRecorder(PageBounds(), zerolog.Nop())
	t.Cleanup(r.Close)
	return r
}

// login returns a client's cookie.
func (p *testPage) login(t *testing.T) *http.Cookie {
	t.Helper()
	answer := p.do(t, "GET", "/?token="+url.QueryEscape(p.token), nil)
	if answer.StatusCode != http.StatusSeeOther || len(answer.Cookies()) != 1 {
		t.Fatalf("login: %s, %d cookies", answer.Status, len(answer.Cookies()))
	}
	return answer.Cookies()[0]
}

// do sends a request with these headers; Host is one of them. The body of the response is read and closed.
func (p *testPage) do(t *testing.T, method, path string, header map[string]string) *http.Response {
	t.Helper()
	return p.send(t, p.request(t, method, path, header))
}

// send sends a request. The body of the response is read and closed.
func (p *testPage) send(t *testing.T, r *http.Request) *http.Response {
	t.Helper()
	answer, err := p.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body = io.NopCloser(strings.NewReader(string(text)))
	return answer
}

func (p *testPage) request(t *testing.T, method, path string, header map[string]string) *http.Request {
	t.Helper()
	return p.requestWithBody(t, method, path, header, "")
}

func (p *testPage) requestWithBody(t *testing.T, method, path string, header map[string]string, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
		if name == "Host" {
			r.Host = value
		}
	}
	return r
}

// testState is the state of a daemon with secrets in its configuration.
func testState() *daemon.State {
	cfg := config.Default()
	cfg.Device = "board"
	cfg.MQTT.Password, cfg.Web.Token = "S3cret", "S3cretS3cretS3cret"
	s := &daemon.State{Time: start, ReloadFaults: []string{"f.yaml:3:1: max_fps: 2000 is outside 0..1000"}, Reloaded: start}
	for _, name := range []string{"gate", "yard"} {
		camera := cfg.NewCamera()
		camera.Name = name
		camera.Capture.URL, camera.Capture.Shown = "rtsp://u:S3cret@h/x", "rtsp://u:S3cret@h/x"
		camera.Detect.Masks = []detect.Polygon{{{0, 0}, {0.2, 0}, {0.2, 0.2}}}
		cfg.Cameras = append(cfg.Cameras, camera)
		s.Cameras = append(s.Cameras, daemon.CameraState{
			Name: name, State: event.Running, Source: capture.Stats{Width: 640, Height: 480, FPS: 25, Frames: 100},
			Pipeline: pipeline.Stats{Analysed: 40, Stages: []pipeline.StageStats{{Name: "detect", Calls: 40, Total: time.Second}}},
		})
	}
	s.Cameras[1].State, s.Cameras[1].Error = event.Reconnecting, "connection refused"
	s.Cameras[0].Health = event.Health{
		State: event.HealthDegraded, Reason: "covered", Since: start, Detail: "remove what covers the lens",
	}
	s.InForce = &config.InForce{Config: cfg}
	s.Networks = []models.Manifest{{Task: "quality", Name: "net", Version: "1", SHA256: strings.Repeat("ab", 32)}}
	s.Uplink.Queued = 3
	return s
}

// newFace returns a face of a visit at a time after start. A score below 0 is that of a face that was not scored.
func newFace(camera, visit string, track uint64, at time.Duration, score float64) *pipeline.Candidate {
	c := &pipeline.Candidate{
		Camera: camera, Track: track, Time: start.Add(at), Width: 640, Height: 480, PolicyName: quality.PolicyBest, Threshold: 20,
		Visit: quality.Visit{ID: visit, FirstSeen: start, LastSeen: start.Add(at), Frames: 1, Faces: 1, Tracks: 1},
		Judgement: pipeline.Judgement{
			Face: detect.Face{
				Box: [4]float32{200, 120, 100, 130}, Landmarks: [5][2]float32{{225, 170}, {270, 170}, {248, 200}, {230, 225}, {265, 225}},
			},
		},
	}
	if score >= 0 {
		c.Judgement.Scored = true
		c.Judgement.Score = quality.Score{Value: score, Labels: map[string]float64{"similarity": 0.5}}
		c.Judgement.Assessment = quality.NewAssessor().Unassessed()
		c.Pixels = make([]byte, 3*quality.Size*quality.Size)
		for i := range c.Pixels {
			c.Pixels[i] = byte(i / 150)
		}
	}
	return c
}

// judge passes a face to the recorder as a pipeline does.
func (p *testPage) judge(c *pipeline.Candidate, reason quality.Reason) { judge(p.recorder, c, reason) }

func judge(r *Recorder, c *pipeline.Candidate, reason quality.Reason) {
	if reason != "" && reason != quality.ReasonLowQuality {
		c.Judgement.Reason = reason
		c.Judgement.Misses = []quality.Miss{{
			Reason: reason, Measure: quality.InterEyeDistance, Measured: 7, Limit: 10, Unit: quality.UnitPixels,
		}}
	}
	r.Judged(c, gocv.NewMat(), reason)
}

// send decides that a face is sent.
func send(r *Recorder, c *pipeline.Candidate) {
	r.Decided(pipeline.Decision{
		Visit: c.Visit, Send: true, Time: c.Time, At: c.Time.Add(time.Second), Score: c.Judgement.Score.Value, Face: c,
	})
}

// reject decides that a visit ends without a face.
func reject(r *Recorder, c *pipeline.Candidate, reason quality.Reason) {
	r.Decided(pipeline.Decision{Visit: c.Visit, Reason: reason, Time: c.Time, At: c.Time, Face: c})
}

// show passes a frame to the recorder.
func show(r *Recorder, camera string, frame gocv.Mat) {
	r.Frame(pipeline.FrameReport{Camera: camera, Time: start, Image: frame, Analysed: true})
}

// newFrame returns a grey frame of this size, which the test closes.
func newFrame(t *testing.T, width, height int) gocv.Mat {
	t.Helper()
	frame := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(90, 110, 130, 0), height, width, gocv.MatTypeCV8UC3)
	t.Cleanup(func() { frame.Close() })
	return frame
}

// encoded waits until no face waits for its JPEG.
func encoded(t *testing.T, r *Recorder) {
	t.Helper()
	testsupport.Eventually(t, "every JPEG", func() bool {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		for _, v := range r.visits {
			for _, p := range v.allPictures() {
				if p.jpeg == nil {
					return false
				}
			}
		}
		return true
	})
}
