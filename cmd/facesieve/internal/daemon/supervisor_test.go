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
	"facesieve/publish/event"
	"facesieve/publish/publishtest"
)

// faultyUplink is an uplink that counts the events of each camera. It calls inject with the camera of each event and
// its count, and returns the result.
type faultyUplink struct {
	mutex  sync.Mutex
	faces  map[string]int
	inject func(camera string, n int) error
}

func (u *faultyUplink) Publish(e event.Face) error {
	u.mutex.Lock()
	u.faces[e.Camera]++
	n := u.faces[e.Camera]
	u.mutex.Unlock()
	return u.inject(e.Camera, n)
}

func (u *faultyUplink) Reject(event.Rejected) error { return nil }

func (u *faultyUplink) count(camera string) int {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	return u.faces[camera]
}

// testSupervisor runs cameras that send every face to out. They share one interpreter set.
func testSupervisor(
	t *testing.T, out pipeline.Uplink, log zerolog.Logger, sources map[string]capture.Config,
) *supervisor {
	t.Helper()
	cfg := config.Default()
	networks, err := pipeline.OpenNetworks(cfg, cfg.NewCamera())
	testsupport.Must(t, err)
	pool, err := pipeline.NewPool(networks, cfg.Runtime, 1, zerolog.Nop())
	testsupport.Must(t, err)
	t.Cleanup(func() { testsupport.Must(t, pool.Retire()) })
	s := newSupervisor(t.Context())
	t.Cleanup(func() {
		if err := errors.Join(s.stop(testsupport.Timeout), s.close(testsupport.Timeout)); err != nil {
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
	s.replace(workers)
	return s
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

// A pipeline that panics or fails is restarted on the same connection, and the other camera is not affected.
func TestFaultOfOneCameraDoesNotAffectOthers(t *testing.T) {
	var log publishtest.Log
	out := &faultyUplink{faces: map[string]int{}, inject: func(camera string, n int) error {
		switch {
		case camera == "bad" && n == 1:
			panic("panic of a test")
		case camera == "bad" && n == 4:
			return errors.New("failure of a test")
		}
		return nil
	}}
	s := testSupervisor(t, out, logging.New(config.Log{Level: "info", Format: "json"}, &log), map[string]capture.Config{
		"bad": recording(t, "two_heads.mp4", true), "good": recording(t, "two_heads.mp4", false),
	})
	testsupport.Eventually(t, "faces of both", func() bool { return out.count("bad") > 4 && out.count("good") > 4 })
	testsupport.Eventually(t, "the end of the recording", func() bool { return s.named("good").ended() })
	if err := s.faults(); err != nil {
		t.Errorf("the good camera: %v", err)
	}
	text := log.String()
	if n := strings.Count(text, `"message":"video"`); n != 2 {
		t.Errorf("two cameras were opened %d times", n)
	}
	for _, want := range []string{"panic of a test", "supervisor_test.go", "failure of a test", `"restart_in":"`} {
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

// The watchdog is reset only while every pipeline makes progress.
func TestBlockedPipelineStopsTheHeartbeat(t *testing.T) {
	blocked, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	out := &faultyUplink{faces: map[string]int{}, inject: func(camera string, _ int) error {
		if camera == "bad" {
			once.Do(func() { close(blocked) })
			<-release
		}
		return nil
	}}
	s := testSupervisor(t, out, zerolog.Nop(), map[string]capture.Config{
		"bad": recording(t, "two_heads.mp4", true), "good": recording(t, "walk_in.mp4", true),
	})
	h := newHeartbeat(time.Second, zerolog.Nop())
	now := time.Now()
	due := func() bool {
		now = now.Add(time.Second)
		return h.due(stateOf(s, now, false))
	}
	if h.due(stateOf(s, now.Add(time.Second), true)) {
		t.Error("the watchdog is reset although the publisher is stuck")
	}
	if !due() {
		t.Error("the first reset is missing")
	}
	<-blocked
	testsupport.Eventually(t, "a face of the good camera", func() bool { return out.count("good") > 0 })
	due() // records the steps of the other camera before it was blocked, if there were any
	good := out.count("good")
	testsupport.Eventually(t, "another face of the good camera", func() bool { return out.count("good") > good })
	if due() {
		t.Error("the watchdog is reset although a pipeline is blocked")
	}
	close(release)
	testsupport.Eventually(t, "a reset of the watchdog", due)
	testsupport.Eventually(t, "a second reset", due)
}
