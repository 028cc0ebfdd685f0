package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish"
)

// A camera that shows a recording over RTSP, and Mosquitto, give the same faces as a replay of the recording: as many, and
// as good, though the frames that were looked at are others.
func TestRunOverRTSPGivesTheFacesOfReplay(t *testing.T) {
	video := testsupport.SharedVideo(t, "corridor.mp4")
	want, _ := replayEvents(t, video, "")
	camera, broker := newRTSPCamera(t, video), startMosquitto(t)
	config := testsupport.WriteFile(t, "facesieve.yaml", fmt.Sprintf(`
device: pole
log: {level: warn, format: json}
cameras: [{name: door, url: %q, read_timeout: 2s}]
mqtt: {broker: "tcp://%s"}
outbox: {store: memory}
`, camera.url(), broker))
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var out, log testsupport.SafeBuffer
	watched, ran := make(chan int), make(chan int)
	go func() { watched <- run(ctx, []string{"watch", "--broker", "tcp://" + broker, "--json"}, &out, &log) }()
	go func() {
		code, _, stderr := invoke(ctx, "run", "--config", config)
		if code != exitOK {
			t.Error(stderr)
		}
		ran <- code
	}()
	<-camera.over
	// The camera is gone: the daemon ends its tracks by the clock, and sends what it held.
	time.Sleep(4 * time.Second)
	got := testsupport.DecodeLines(t, out.Copied())
	stop()
	<-ran
	<-watched
	if len(got) != len(want) {
		t.Fatalf("%d faces over RTSP, %d by replay\n%s", len(got), len(want), log.Copied())
	}
	if a, b := bestOf(got), bestOf(want); a < b-10 {
		t.Errorf("best score %.1f over RTSP, %.1f by replay", a, b)
	}
}

func bestOf(events []publish.Event) float64 {
	best := 0.0
	for _, e := range events {
		best = max(best, e.Quality.Score)
	}
	return best
}
