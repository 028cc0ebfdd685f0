package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facesieve/capture/cameratest"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish/event"
	"facesieve/publish/publishtest"
)

// A recording that is read over RTSP and sent to Mosquitto gives as many visits as its replay, of about the same score.
// Five frames a second leave a loaded machine the time to analyse them all. It may lose a person from sight nevertheless,
// and send a better face of the same visit.
func TestRunOverRTSPGivesTheFacesOfReplay(t *testing.T) {
	video := filepath.Join(t.TempDir(), "corridor.mp4")
	encode := exec.CommandContext(t.Context(), cameratest.FFmpeg(t), "-v", "error",
		"-i", testsupport.SharedVideo(t, "corridor.mp4"), "-vf", "fps=5", "-an", "-c:v", "libx264", "-crf", "12", video)
	if out, err := encode.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	want, _ := replayEvents(t, video, "")
	camera, broker := newRTSPCamera(t, video), publishtest.StartAnonymous(t).Addr
	config := testsupport.WriteFile(t, "facesieve.yaml", fmt.Sprintf(`
device: pole
log: {level: warn, format: json}
cameras: [{name: door, url: %q, read_timeout: 8s}]
mqtt: {broker: "tcp://%s"}
outbox: {store: memory}
`, camera.url(), broker))
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	daemonCtx, stopDaemon := context.WithCancel(ctx)
	defer stopDaemon()
	var out, log publishtest.Log
	watched, ran := make(chan int), make(chan int)
	go func() { watched <- run(ctx, []string{"watch", "--broker", "tcp://" + broker, "--json"}, &out, &log) }()
	go func() {
		code, _, stderr := invoke(daemonCtx, "run", "--config", config)
		if code != exitOK {
			t.Error(stderr)
		}
		ran <- code
	}()
	<-camera.over
	// The camera is gone. The daemon ends its tracks by the clock, and sends the faces that it holds.
	testsupport.Eventually(t, "the faces of replay", func() bool {
		return strings.Count(out.String(), "\n") >= len(want)
	})
	stopDaemon()
	<-ran
	testsupport.Eventually(t, "all messages", func() bool {
		return strings.Contains(log.String(), "facesieve/pole: offline")
	})
	stop()
	<-watched
	got := testsupport.DecodeLines(t, []byte(out.String()))
	if len(visitsOf(got)) != len(visitsOf(want)) {
		t.Fatalf("visits %v over RTSP, %v by replay\n%s", visitsOf(got), visitsOf(want), log.String())
	}
	if a, b := bestOf(got), bestOf(want); a < b-10 {
		t.Errorf("best score %.1f over RTSP, %.1f by replay", a, b)
	}
}

// visitsOf returns the number of events of each visit.
func visitsOf(events []event.Face) map[string]int {
	visits := map[string]int{}
	for _, e := range events {
		visits[e.Visit.ID]++
	}
	return visits
}

func bestOf(events []event.Face) float64 {
	best := 0.0
	for _, e := range events {
		best = max(best, e.Quality.Score)
	}
	return best
}
