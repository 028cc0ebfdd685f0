package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
)

// freeAddress returns an address on this machine that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// The daemon, its embedded broker and facesieve watch, on a recording: what watch receives fits the schema, and
// everything ends by itself.
func TestRunForwardsToWatch(t *testing.T) {
	video := sharedVideo(t, "two_heads.mp4")
	address := freeAddress(t)
	config := writeFile(t, "facesieve.yaml", fmt.Sprintf(`
device: pole
log: {level: warn, format: json}
quality: {threshold: 0}
cameras: [{name: door, url: %s}]
mqtt: {broker: embedded, listen: %s}
outbox: {store: memory}
`, video, address))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, log safeBuffer
	watching, stop := context.WithCancel(ctx)
	watched := make(chan int)
	go func() {
		watched <- run(watching, []string{"watch", "--broker", "tcp://" + address, "--json"}, &out, &log)
	}()
	gallery := t.TempDir()
	code, _, stderr := invoke(ctx, "run", "--config", config, "--gallery", gallery)
	stop()
	if watchCode := <-watched; code != exitOK || watchCode != exitOK {
		t.Fatalf("exit codes %d and %d\n%s%s", code, watchCode, stderr, string(log.copied()))
	}
	if _, err := os.Stat(filepath.Join(gallery, "index.html")); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out.copied())), "\n")
	if len(lines) < 2 || len(lines) > 3 {
		t.Errorf("%d events for two people", len(lines))
	}
	schema := eventtest.CompileStrict(t, event.FaceSchema)
	for _, line := range lines {
		if err := eventtest.Validate(schema, []byte(line)); err != nil {
			t.Errorf("%v: %.200s", err, line)
		}
	}
	if text := string(log.copied()); !strings.Contains(text, "facesieve/pole: offline") || !strings.Contains(text, "pole/door: stopped") {
		t.Errorf("watch did not see the end:\n%s", text)
	}
}

// A camera that is not there and a broker that is away keep nobody from ending when asked to.
func TestRunEndsWhenAsked(t *testing.T) {
	config := writeFile(t, "facesieve.yaml", fmt.Sprintf(`
log: {level: error, format: json}
cameras: [{name: gone, url: "rtsp://%s/x", open_timeout: 500ms}]
mqtt: {broker: "tcp://%s"}
outbox: {store: memory}
`, freeAddress(t), freeAddress(t)))
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	ended := make(chan int)
	go func() {
		code, _, _ := invoke(ctx, "run", "--config", config)
		ended <- code
	}()
	select {
	case code := <-ended:
		if ctx.Err() == nil || code != exitOK {
			t.Errorf("ended with exit code %d before it was asked to", code)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("still running long after it was asked to end")
	}
}
