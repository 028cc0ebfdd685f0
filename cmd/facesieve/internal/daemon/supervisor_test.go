package daemon

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/logging"
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish"
)

// trap is an uplink that calls spring with the camera of each event and the number of its events.
type trap struct {
	mutex  sync.Mutex
	faces  map[string]int
	spring func(camera string, n int) error
}

func (o *trap) Publish(e publish.Event) error {
	o.mutex.Lock()
	o.faces[e.Camera]++
	n := o.faces[e.Camera]
	o.mutex.Unlock()
	return o.spring(e.Camera, n)
}

func (o *trap) Reject(publish.Rejected) error { return nil }

func (o *trap) count(camera string) int {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.faces[camera]
}

// testSupervisor runs these cameras, each with every face sent, into out. They share one interpreter set.
func testSupervisor(t *testing.T, out pipeline.Uplink, log zerolog.Logger, sources map[string]capture.Config) *supervisor {
	t.Helper()
	cfg := config.Default()
	networks, err := pipeline.OpenNetworks(cfg)
	testsupport.Must(t, err)
	pool, err := pipeline.NewPool(networks, cfg.Runtime, 1, zerolog.Nop())
	testsupport.Must(t, err)
	t.Cleanup(func() { testsupport.Must(t, pool.Retire()) })
	f := newSupervisor(t.Context())
	t.Cleanup(func() {
		if err := errors.Join(f.stop(testsupport.Timeout), f.close(testsupport.Timeout)); err != nil {
			t.Error(err)
		}
	})
	var workers []*worker
	for name, source := range sources {
		camera := cfg.NewCamera()
		camera.Name, camera.Capture = name, source
		camera.Quality.Policy, camera.Quality.Threshold = "all", 0
		w, err := openWorker(workerSettings{camera: camera, device: "test", image: cfg.Image, pool: pool, uplink: out}, log)
		testsupport.Must(t, err)
		workers = append(workers, w)
	}
	f.replace(workers)
	return f
}

// stateOf returns the state of the workers, as the heartbeat reads it.
func stateOf(s *supervisor, now time.Time, stuck bool) *State {
	state := &State{Time: now, UplinkStuck: stuck}
	for _, w := range s.workers {
		state.Cameras = append(state.Cameras, w.state())
	}
	return state
}

func recording(t *testing.T, name string, loop bool) capture.Config {
	cfg := capture.Default()
	cfg.URL, cfg.Loop = testsupport.SharedVideo(t, name), loop
	return cfg
}

// A pipeline that panics or fails is started again on the same connection, and the other camera is not affected.
func TestAFaultOfOneCameraIsItsOwn(t *testing.T) {
	var log testsupport.SafeBuffer
	out := &trap{faces: map[string]int{}, spring: func(camera string, n int) error {
		switch {
		case camera == "bad" && n == 1:
			panic("sprung")
		case camera == "bad" && n == 4:
			return errors.New("no more of this")
		}
		return nil
	}}
	f := testSupervisor(t, out, logging.New(config.Log{Level: "info", Format: "json"}, &log), map[string]capture.Config{
		"bad": recording(t, "two_heads.mp4", true), "good": recording(t, "two_heads.mp4", false),
	})
	testsupport.Eventually(t, "faces of both", func() bool { return out.count("bad") > 4 && out.count("good") > 4 })
	testsupport.Eventually(t, "the end of the recording", func() bool { return f.named("good").ended() })
	if err := f.faults(); err != nil {
		t.Errorf("the good camera: %v", err)
	}
	text := string(log.Copied())
	if n := strings.Count(text, `"message":"video"`); n != 2 {
		t.Errorf("two cameras were opened %d times", n)
	}
	for _, want := range []string{"sprung", "supervisor_test.go", "no more of this", `"restart_in":"`} {
		if !strings.Contains(text, want) {
			t.Errorf("not in the log: %s", want)
		}
	}
	for _, found := range regexp.MustCompile(`"restart_in":"(.*?)"`).FindAllStringSubmatch(text, -1) {
		delay, err := time.ParseDuration(found[1])
		if err != nil || delay < restartMin/2 || delay > 3*restartMin {
			t.Errorf("a restart in %q", found[1])
		}
	}
}

// The watchdog is reset only while every pipeline takes steps.
func TestTheHeartStopsWithAPipeline(t *testing.T) {
	blocked, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	out := &trap{faces: map[string]int{}, spring: func(camera string, _ int) error {
		if camera == "bad" {
			once.Do(func() { close(blocked) })
			<-release
		}
		return nil
	}}
	f := testSupervisor(t, out, zerolog.Nop(), map[string]capture.Config{
		"bad": recording(t, "two_heads.mp4", true), "good": recording(t, "walk_in.mp4", true),
	})
	heart := newHeartbeat(time.Second, zerolog.Nop())
	now := time.Now()
	beats := func() bool {
		now = now.Add(time.Second)
		return heart.due(stateOf(f, now, false))
	}
	if heart.due(stateOf(f, now.Add(time.Second), true)) {
		t.Error("a beat with a publisher that is stuck")
	}
	if !beats() {
		t.Error("no first beat")
	}
	<-blocked
	testsupport.Eventually(t, "steps of the good camera", func() bool { return out.count("good") > 0 })
	beats() // with the steps before it was blocked, if there were any
	good := out.count("good")
	testsupport.Eventually(t, "more of the good camera", func() bool { return out.count("good") > good })
	if beats() {
		t.Error("a beat with a pipeline that hangs")
	}
	close(release)
	testsupport.Eventually(t, "a beat", beats)
	testsupport.Eventually(t, "another", beats)
}
