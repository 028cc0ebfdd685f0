//go:build matprofile

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"facesieve/capture/cameratest"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/daemon"
	"facesieve/cmd/facesieve/internal/logging"
	"facesieve/cmd/facesieve/internal/testsupport"
)

var (
	soakTime  = flag.Duration("soak", 0, "how long the soak runs")
	soakVideo = flag.Duration("soak.video", 0, "how much video the soak analyses")
)

// soak runs the daemon with three cameras (two recordings that are repeated as fast as possible, and a stream), an
// outbox on disk and a broker, and injects faults into all of them.
type soak struct {
	t       *testing.T
	dir     string
	config  string
	camera  *cameratest.Camera
	broker  *recordingBroker
	outages *outages

	daemon *daemon.Daemon
	stop   context.CancelFunc
	ended  chan error
	video  time.Duration // analysed by earlier daemons

	mutex    sync.Mutex
	fault    string            // the present one
	accepted map[string]string // the fault during which an event was accepted, by its id
	logged   map[string]int    // how often each message was logged since the fault began
	lines    []string          // the last lines of the log
}

// TestSoak injects all faults in turn, each at least once, until the time or the video is over. Then every accepted
// event has been received by the broker, except those that a full outbox dropped, and memory, files and goroutines have
// not grown.
func TestSoak(t *testing.T) {
	if *soakTime == 0 && *soakVideo == 0 {
		t.Skip("make soak runs this")
	}
	s := newSoak(t)
	s.start()
	s.awaitFaces()
	s.warmUp()
	began, before := time.Now(), s.analysed()
	samples := []sample{s.sample("start")}
	faults := soakFaults()
	for i := 1; ; i++ {
		s.inject(faults[i%len(faults)])
		share := float64(s.analysed()-before) / float64(max(*soakVideo, 1))
		if *soakVideo == 0 {
			share = float64(time.Since(began)) / float64(*soakTime)
		}
		s.print("%3.0f %%: %.1f h of video, %d events, %d MiB; after %s",
			100*share, s.analysed().Hours(), s.count(), s.residentMiB(), faults[i%len(faults)].name)
		if len(samples) == 1 && (share >= 0.5 || 2*i >= len(faults) && share >= 1) {
			samples = append(samples, s.sample("middle"))
		}
		if share >= 1 && i >= len(faults) {
			break
		}
	}
	samples = append(samples, s.sample("end"))
	s.drain()
	s.halt()
	fmt.Printf("\n%.1f h of video in %v, including the warm-up\n\n", s.analysed().Hours(),
		time.Since(began).Round(time.Second))
	fmt.Println(s.report())
	fmt.Println(table(samples))
	for _, grown := range growth(samples) {
		t.Error(grown)
	}
}

// short reports whether the soak takes only minutes, for continuous integration.
func short() bool { return *soakVideo == 0 && *soakTime < 5*time.Minute }

// warmUp injects faults after which libraries and allocators keep memory. A short soak has time for some of them only.
func (s *soak) warmUp() {
	for _, fault := range soakFaults() {
		if !short() || fault.name == "camera is off" || fault.name == "daemon restarts without a broker" {
			s.print("warming up: %s", fault.name)
			s.inject(fault)
		}
	}
}

func newSoak(t *testing.T) *soak {
	dir := t.TempDir()
	s := &soak{
		t: t, dir: dir, config: filepath.Join(dir, "facesieve.yaml"), camera: newFaultyCamera(t, "480x270"),
		broker:  startRecordingBroker(t),
		outages: newOutages(), accepted: map[string]string{}, logged: map[string]int{}, fault: noFault,
	}
	for _, name := range []string{"quality.tflite", "quality.json"} {
		data, err := os.ReadFile(testsupport.RepositoryPath(t, "models", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.configure(0)
	t.Cleanup(func() {
		if s.daemon != nil {
			s.halt()
		}
		if t.Failed() {
			t.Logf("the last lines of the log:\n%s", strings.Join(s.lines, ""))
		}
	})
	return s
}

// configure writes the configuration with a threshold.
func (s *soak) configure(threshold int) {
	s.write(fmt.Sprintf(`device: soak
log: {level: info, format: json}
max_fps: 4
mqtt: {broker: "tcp://%s"}
outbox: {dir: %q, max_events: 60, drain_rate: 200}
models: {quality: %q}
%scameras:
  - {name: two_heads, url: %q, pace: fast, loop: true, quality: {policy: best}}
  - {name: walk_in, url: %q, pace: fast, loop: true, quality: {policy: best}}
  - {name: door, url: %q, max_fps: 10, read_timeout: 1s, open_timeout: 4s, reconnect_min: 100ms, reconnect_max: 300ms}
`, s.broker.address, filepath.Join(s.dir, "outbox"), filepath.Join(s.dir, "quality.tflite"),
		strings.Replace(fmt.Sprintf(intervalFaces, "1s"), "threshold: 0", fmt.Sprintf("threshold: %d", threshold), 1),
		testsupport.SharedVideo(s.t, "two_heads.mp4"), testsupport.SharedVideo(s.t, "walk_in.mp4"), s.camera.URL))
}

func (s *soak) write(text string) {
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start starts the daemon as facesieve run does.
func (s *soak) start() {
	cfg, err := config.LoadInForce(config.ForDaemon(), s.config, testsupport.NoEnvironment)
	if err != nil {
		s.t.Fatal(err)
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	options := daemon.Options{Path: s.config}
	options.Log, options.LogSwitch = logging.Open(cfg.Log, s)
	d, err := daemon.Start(ctx, cfg, options)
	if err != nil {
		s.t.Fatal(err)
	}
	s.daemon, s.ended = d, make(chan error, 1)
	go func() {
		defer signal.Stop(hangup)
		s.ended <- d.Run(ctx, hangup)
	}()
}

// halt ends the daemon.
func (s *soak) halt() {
	s.stop()
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Error(err)
		}
	case <-time.After(testsupport.Timeout):
		s.t.Fatal("the daemon does not end")
	}
	stats := s.daemon.State().Uplink
	s.outages.dropped(s.fault, stats.Dropped.Total())
	s.video, s.outages.since, s.daemon = s.analysed(), 0, nil
}

// Write receives the daemon's log.
func (s *soak) Write(line []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var message struct{ Message, ID string }
	if err := json.Unmarshal(line, &message); err != nil {
		s.t.Errorf("%v: %s", err, line)
	}
	s.logged[message.Message]++
	if message.ID != "" {
		s.accepted[message.ID] = s.fault
		return len(line), nil
	}
	s.lines = append(s.lines[max(0, len(s.lines)-100):], string(line))
	return len(line), nil
}

// messages returns how often a message was logged since the fault began.
func (s *soak) messages(message string) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.logged[message]
}

func (s *soak) count() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.accepted)
}

func (s *soak) print(format string, args ...any) {
	fmt.Printf("%s soak: %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// analysed returns the duration of the recordings' frames that were analysed.
func (s *soak) analysed() time.Duration {
	sum := s.video
	if s.daemon == nil {
		return sum
	}
	for _, camera := range s.daemon.State().Cameras {
		if fps := camera.Source.FPS; fps > 0 && camera.Name != "door" {
			sum += time.Duration(float64(camera.Source.Frames) / fps * float64(time.Second))
		}
	}
	return sum
}

func (s *soak) awaitFaces() {
	testsupport.Eventually(s.t, "faces of every camera", func() bool {
		for _, camera := range []string{"two_heads", "walk_in", "door"} {
			if s.broker.last(camera).ID == "" {
				return false
			}
		}
		return true
	})
}
