package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/capture"
	"facesieve/publish/event"
)

// Cameras that are dead from the start, a stream and a recording, take nothing from the good one beside them.
func TestADeadCameraDisturbsNobody(t *testing.T) {
	d := startTestDaemon(t, allFaces+"cameras:\n"+
		fmt.Sprintf("  - {name: gone, url: 'rtsp://viewer:hunter2@%s/x', open_timeout: 500ms}\n", freeAddress(t))+
		looped("door", sharedVideo(t, "two_heads.mp4"))+looped("lost", "/nowhere/absent.mp4"))
	eventually(t, "faces", func() bool { return d.faces("door") > 1 })
	eventually(t, "status", func() bool {
		status := d.systemd.status()
		return strings.HasPrefix(status, "1 camera running, 1 reconnecting (gone: connection refused)") &&
			strings.Contains(status, "1 stopped (lost: file does not exist; check the path)") && strings.Contains(status, "broker connected; ")
	})
	eventually(t, "states", func() bool { return d.state("gone") == "reconnecting" && d.state("lost") == "stopped" })
	d.stop()
	if code := <-d.code; code != exitFailure {
		t.Errorf("exit code %d with a recording that cannot be opened", code)
	}
	d.code <- exitOK
	for _, text := range []string{string(d.log.copied()), d.systemd.text()} {
		if strings.Contains(text, "hunter2") {
			t.Error("a password is told")
		}
	}
}

// trap is an outlet that does what a test wants with the faces of a camera.
type trap struct {
	mutex  sync.Mutex
	faces  map[string]int
	spring func(camera string, n int) error
}

func (o *trap) Publish(e event.Face) error {
	o.mutex.Lock()
	o.faces[e.Camera]++
	n := o.faces[e.Camera]
	o.mutex.Unlock()
	return o.spring(e.Camera, n)
}

func (o *trap) Reject(event.Rejected) error { return nil }

func (o *trap) count(camera string) int {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.faces[camera]
}

// oneTrio starts one interpreter of each built-in network, retired at the end of the test.
func oneTrio(t *testing.T) *interpreters {
	t.Helper()
	cfg := DefaultConfig()
	nets, err := openModels(cfg)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := newInterpreters(nets, cfg.Runtime, 1, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shared.retire(); err != nil {
			t.Error(err)
		}
	})
	return shared
}

// testFleet runs these cameras, each with every face sent, into out. They share one trio of interpreters.
func testFleet(t *testing.T, out outlet, log zerolog.Logger, sources map[string]capture.Config) *fleet {
	t.Helper()
	cfg := DefaultConfig()
	shared := oneTrio(t)
	f := newFleet(t.Context())
	t.Cleanup(func() {
		if err := errors.Join(f.stop(patience), f.close(patience)); err != nil {
			t.Error(err)
		}
	})
	var stations []*station
	for name, source := range sources {
		camera := cfg.camera()
		camera.Name, camera.Capture = name, source
		camera.Quality.Policy, camera.Quality.Threshold = "all", 0
		s, err := openStation(settings{camera: camera, device: "test", image: cfg.Image, shared: shared}, out, nil, log)
		if err != nil {
			t.Fatal(err)
		}
		stations = append(stations, s)
	}
	f.put(stations)
	return f
}

func recording(t *testing.T, name string, loop bool) capture.Config {
	cfg := capture.Default()
	cfg.URL, cfg.Loop = sharedVideo(t, name), loop
	return cfg
}

// A camera whose pipeline panics or fails begins anew, on the same connection; the one beside it notices nothing.
func TestAFaultOfOneCameraIsItsOwn(t *testing.T) {
	var log safeBuffer
	out := &trap{faces: map[string]int{}, spring: func(camera string, n int) error {
		switch {
		case camera == "bad" && n == 1:
			panic("sprung")
		case camera == "bad" && n == 4:
			return errors.New("no more of this")
		}
		return nil
	}}
	f := testFleet(t, out, newLogger(LogConfig{Level: "info", Format: "json"}, &log), map[string]capture.Config{
		"bad": recording(t, "two_heads.mp4", true), "good": recording(t, "two_heads.mp4", false),
	})
	eventually(t, "faces of both", func() bool { return out.count("bad") > 4 && out.count("good") > 4 })
	eventually(t, "the end of the recording", func() bool { return f.named("good").ended() })
	if err := f.faults(); err != nil {
		t.Errorf("the good camera: %v", err)
	}
	text := string(log.copied())
	if n := strings.Count(text, `"message":"video"`); n != 2 {
		t.Errorf("two cameras were opened %d times", n)
	}
	for _, want := range []string{"sprung", "fleet_test.go", "no more of this", `"restart_in":"1s"`} {
		if !strings.Contains(text, want) {
			t.Errorf("not in the log: %s", want)
		}
	}
}

// The watchdog is told that all is well only while every pipeline goes on; a clock has no part in it.
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
	f := testFleet(t, out, zerolog.Nop(), map[string]capture.Config{
		"bad": recording(t, "two_heads.mp4", true), "good": recording(t, "walk_in.mp4", true),
	})
	heart := newHeartbeat(time.Second, zerolog.Nop())
	now := time.Now()
	beats := func() bool {
		now = now.Add(time.Second)
		return heart.due(now, f.stations, false)
	}
	if heart.due(now.Add(time.Second), f.stations, true) {
		t.Error("a beat with a publisher that is stuck")
	}
	if !beats() {
		t.Error("no first beat")
	}
	<-blocked
	eventually(t, "steps of the good camera", func() bool { return out.count("good") > 0 })
	beats() // with the steps before it was blocked, if there were any
	good := out.count("good")
	eventually(t, "more of the good camera", func() bool { return out.count("good") > good })
	if beats() {
		t.Error("a beat with a pipeline that hangs")
	}
	close(release)
	eventually(t, "a beat", beats)
	eventually(t, "another", beats)
}

// Who takes a frame as soon as he has given one back waits for all who asked before.
func TestInterpretersAreLentInTurns(t *testing.T) {
	shared := oneTrio(t)
	const others, turns = 4, 50
	order := make(chan int, 2*others*turns)
	waiting := func(n int) {
		eventually(t, "everybody waits", func() bool {
			shared.mutex.Lock()
			defer shared.mutex.Unlock()
			return len(shared.waiting) >= n
		})
	}
	held := shared.lend(context.Background(), image.Point{})
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for camera := range others {
		group.Go(func() {
			for ctx.Err() == nil {
				p := shared.lend(context.Background(), image.Point{})
				order <- camera
				shared.giveBack(p)
			}
		})
		waiting(camera + 1)
	}
	taken := map[int]int{}
	for range turns { // the busy one asks again at once, and gets it when each of the others has had a turn
		got := make(chan *trio)
		go func() { got <- shared.lend(context.Background(), image.Point{}) }()
		waiting(others + 1)
		shared.giveBack(held)
		held = <-got
		waiting(others)
		for len(order) > 0 {
			taken[<-order]++
		}
	}
	stop()
	shared.giveBack(held)
	group.Wait()
	for camera := range others {
		if taken[camera] != turns {
			t.Errorf("camera %d had %d turns in %d rounds", camera, taken[camera], turns)
		}
	}
	if err := shared.retire(); err != nil {
		t.Error(err)
	}
	if err := shared.join(); !errors.Is(err, errRetired) {
		t.Errorf("who joins what is retired gets %v", err)
	}
}

// Who is in sight when the end is asked for is sent all the same.
func TestTheEndSendsWhatIsHeld(t *testing.T) {
	video := sharedVideo(t, "two_heads.mp4")
	d := startTestDaemon(t, "quality: {threshold: 0, max_wait: 0s}\ncameras:\n"+looped("door", video)+
		fmt.Sprintf("  - {name: witness, url: %s, loop: true, quality: {policy: all}}\n", video))
	eventually(t, "faces of the witness", func() bool { return d.faces("witness") >= 10 })
	if d.faces("door") != 0 {
		t.Fatal("a face before its visit has ended")
	}
	d.stop()
	code := <-d.code
	d.code <- code
	eventually(t, "the held faces", func() bool { return d.faces("door") == 2 })
}
