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
	soakTime  = flag.Duration("soak", 0, "how long the soak runs by the clock")
	soakVideo = flag.Duration("soak.video", 0, "how much video the soak looks at")
)

// soak is the daemon with three cameras (two recordings in fast-forward, over and over, and a stream), an outbox on disk
// and a broker, all of which something happens to.
type soak struct {
	t       *testing.T
	dir     string
	config  string
	camera  *cameratest.Camera
	broker  *ledger
	outages *tallies

	daemon *daemon.Daemon
	stop   context.CancelFunc
	ended  chan error
	video  time.Duration // looked at by daemons before this one

	mutex    sync.Mutex
	fault    string            // what is happening now
	accepted map[string]string // by the id of an event: what was happening when it was accepted
	said     map[string]int    // how often the log held a message
	lines    []string          // the last of the log
}

// The soak: every fault in turn, again and again, until the time or the video is over, and each once at least. Afterwards every event that was
// accepted is at the broker, but for those that a full outbox had to let go, and nothing has grown.
func TestSoak(t *testing.T) {
	if *soakTime == 0 && *soakVideo == 0 {
		t.Skip("make soak runs this")
	}
	s := newSoak(t)
	s.start()
	s.awaitFaces()
	s.warmUp()
	begun, seen := time.Now(), s.looked()
	samples := []sample{s.sample("start")}
	faults := soakFaults()
	for i := 1; ; i++ {
		s.suffer(faults[i%len(faults)])
		share := float64(s.looked()-seen) / float64(max(*soakVideo, 1))
		if *soakVideo == 0 {
			share = float64(time.Since(begun)) / float64(*soakTime)
		}
		s.say("%3.0f %%: %.1f h of video, %d events, %d MiB; after %s",
			100*share, s.looked().Hours(), s.count(), s.residentMiB(), faults[i%len(faults)].name)
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
	fmt.Printf("\n%.1f h of video in %v, with what warmed it up\n\n", s.looked().Hours(), time.Since(begun).Round(time.Second))
	fmt.Println(s.account())
	fmt.Println(table(samples))
	for _, growth := range grown(samples) {
		t.Error(growth)
	}
}

// short says whether the soak is one of some minutes, for continuous integration.
func short() bool { return *soakVideo == 0 && *soakTime < 5*time.Minute }

// warmUp lets happen once what makes libraries and allocators take what they keep. A short soak has no time for all of it.
func (s *soak) warmUp() {
	for _, fault := range soakFaults() {
		if !short() || fault.name == "camera is off" || fault.name == "daemon restarts, broker away" {
			s.say("warming up: %s", fault.name)
			s.suffer(fault)
		}
	}
}

func newSoak(t *testing.T) *soak {
	dir := t.TempDir()
	s := &soak{
		t: t, dir: dir, config: filepath.Join(dir, "facesieve.yaml"), camera: newFaultyCamera(t, "480x270"), broker: startLedger(t),
		outages: newTallies(), accepted: map[string]string{}, said: map[string]int{}, fault: noFault,
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
			t.Logf("the last of the log:\n%s", strings.Join(s.lines, ""))
		}
	})
	return s
}

// configure writes the configuration, with this threshold.
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
		strings.Replace(everySecond, "threshold: 0", fmt.Sprintf("threshold: %d", threshold), 1),
		testsupport.SharedVideo(s.t, "two_heads.mp4"), testsupport.SharedVideo(s.t, "walk_in.mp4"), s.camera.URL))
}

func (s *soak) write(text string) {
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start starts the daemon as facesieve run does.
func (s *soak) start() {
	cfg, err := config.Load(config.ForDaemon(), s.config, testsupport.NoEnvironment)
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
	s.video, s.outages.since, s.daemon = s.looked(), 0, nil
}

// Write takes the daemon's log.
func (s *soak) Write(line []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var message struct{ Message, ID string }
	if err := json.Unmarshal(line, &message); err != nil {
		s.t.Errorf("%v: %s", err, line)
	}
	s.said[message.Message]++
	if message.ID != "" {
		s.accepted[message.ID] = s.fault
		return len(line), nil
	}
	s.lines = append(s.lines[max(0, len(s.lines)-100):], string(line))
	return len(line), nil
}

func (s *soak) heard(message string) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.said[message]
}

func (s *soak) count() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.accepted)
}

func (s *soak) say(format string, args ...any) {
	fmt.Printf("%s soak: %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// looked is how much video of the recordings was looked at: their frames at their frame rate.
func (s *soak) looked() time.Duration {
	sum := s.video
	if s.daemon == nil {
		return sum
	}
	for _, camera := range s.daemon.State().Cameras {
		if fps := camera.Source.FPS; fps > 0 && camera.Name != "door" {
			sum += time.Duration(float64(camera.Pipeline.Frames) / fps * float64(time.Second))
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
