package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish/publishtest"
)

// snapshotCamera answers each request with a later frame of a recording, and after the last one with status 304 (not
// modified).
type snapshotCamera struct {
	frames [][]byte
	mu     sync.Mutex
	served int
}

func newSnapshotCamera(t *testing.T, recording string, step int) *snapshotCamera {
	t.Helper()
	video, err := gocv.VideoCaptureFile(recording)
	testsupport.Must(t, err)
	defer video.Close()
	frame := gocv.NewMat()
	defer frame.Close()
	c := &snapshotCamera{}
	for i := 0; video.Read(&frame); i++ {
		if i%step != 0 {
			continue
		}
		file, err := gocv.IMEncode(gocv.JPEGFileExt, frame)
		testsupport.Must(t, err)
		c.frames = append(c.frames, bytes.Clone(file.GetBytes()))
		file.Close()
	}
	return c
}

func (c *snapshotCamera) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	tag := strconv.Quote(strconv.Itoa(min(c.served, len(c.frames)-1)))
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("ETag", tag)
	w.Header().Set("Content-Type", "image/jpeg")
	_, _ = w.Write(c.frames[min(c.served, len(c.frames)-1)])
	c.served++
}

// A man walks up to a camera that returns snapshots. His face is sent to a real broker once or twice, and the camera
// stays connected when its snapshot no longer changes.
func TestRunOnSnapshots(t *testing.T) {
	t.Parallel()
	camera, broker := newSnapshotCamera(t, testsupport.SharedVideo(t, "corridor.mp4"), 2),
		publishtest.StartAnonymous(t).Addr
	server := httptest.NewServer(camera)
	t.Cleanup(server.Close)
	config := testsupport.WriteFile(t, "facesieve.yaml", fmt.Sprintf(`
device: pole
log: {level: info, format: json}
cameras: [{name: door, url: %q, interval: 100ms, read_timeout: 2s}]
mqtt: {broker: "tcp://%s"}
outbox: {store: memory}
`, server.URL+"/snapshot.jpg", broker))
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var out, log publishtest.Log
	watched, ran := make(chan int), make(chan int)
	go func() { watched <- run(ctx, []string{"watch", "--broker", "tcp://" + broker, "--json"}, &out, &log) }()
	go func() { ran <- run(ctx, []string{"run", "--config", config}, &log, &log) }()
	testsupport.Eventually(t, "a face at the broker", func() bool { return len(out.String()) > 0 })
	time.Sleep(3 * time.Second) // longer than the read timeout
	stop()
	if code := <-ran; code != exitOK {
		t.Errorf("exit code %d", code)
	}
	<-watched
	events := testsupport.DecodeLines(t, []byte(out.String()))
	if len(events) < 1 || len(events) > 2 || bestOf(events) < 60 || strings.Contains(log.String(), "no video") {
		t.Errorf("%d faces, best %.1f\n%s", len(events), bestOf(events), log.String())
	}
}
