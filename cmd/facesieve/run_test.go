package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
	"facesieve/publish/publishtest"
)

// The daemon with its embedded broker sends the faces of a recording to facesieve watch. The events are valid by the
// schema, and the daemon ends after the recording.
func TestRunForwardsToWatch(t *testing.T) {
	t.Parallel()
	video := testsupport.SharedVideo(t, "two_heads.mp4")
	address := freeport.Address(t)
	config := testsupport.WriteFile(t, "facesieve.yaml", fmt.Sprintf(`
device: pole
log: {level: warn, format: json}
quality: {threshold: 0}
cameras: [{name: door, url: %s}]
mqtt: {broker: embedded, listen: %s}
outbox: {store: memory}
`, video, address))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, log publishtest.Log
	watching, stop := context.WithCancel(ctx)
	watched := make(chan int)
	go func() {
		watched <- run(watching, []string{"watch", "--broker", "tcp://" + address, "--json"}, &out, &log)
	}()
	gallery := t.TempDir()
	code, _, stderr := invoke(ctx, "run", "--config", config, "--gallery", gallery)
	stop()
	if watchCode := <-watched; code != exitOK || watchCode != exitOK {
		t.Fatalf("exit codes %d and %d\n%s%s", code, watchCode, stderr, log.String())
	}
	if _, err := os.Stat(filepath.Join(gallery, "index.html")); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) < 2 || len(lines) > 3 {
		t.Errorf("%d events for two people", len(lines))
	}
	schema := eventtest.CompileStrict(t, event.FaceSchema)
	for _, line := range lines {
		if err := eventtest.Validate(schema, []byte(line)); err != nil {
			t.Errorf("%v: %.200s", err, line)
		}
	}
	text := log.String()
	if !strings.Contains(text, "facesieve/pole: offline") || !strings.Contains(text, "pole/door: stopped") {
		t.Errorf("watch did not print the end:\n%s", text)
	}
}

// Every message that a real broker receives from the program is valid by the AsyncAPI document that the program prints.
func TestRunMatchesTheAsyncAPIDocument(t *testing.T) {
	t.Parallel()
	document, _ := mustInvoke(t, "schema", "--asyncapi")
	contract := eventtest.NewContract(t, []byte(document))
	video := testsupport.SharedVideo(t, "two_heads.mp4")
	broker := publishtest.StartAnonymous(t)
	live := publishtest.Record(t, broker.URL(), "facesieve/#")
	config := testsupport.WriteFile(t, "facesieve.yaml", fmt.Sprintf(`
device: pole
log: {level: warn, format: json}
quality: {threshold: 0}
cameras: [{name: door, url: %s}, {name: yard, url: %s, quality: {threshold: 100}}]
mqtt: {broker: %s, jpeg: true, rejected: true}
outbox: {store: memory}
`, video, video, broker.URL()))
	mustInvoke(t, "run", "--config", config)
	for _, topic := range []string{"door/face", "door/face/jpeg", "door/state", "yard/rejected", "yard/state", "status"} {
		testsupport.Eventually(t, topic, func() bool { return len(live.On("facesieve/pole/"+topic)) > 0 })
	}
	for _, m := range live.Messages() {
		if err := contract.Check(m.Topic(), m.Qos(), m.Retained(), m.Payload()); err != nil {
			t.Error(err)
		}
	}
}

// The daemon stops on request while neither camera nor broker can be reached.
func TestRunStopsOnRequest(t *testing.T) {
	t.Parallel()
	config := testsupport.WriteFile(t, "facesieve.yaml", fmt.Sprintf(`
log: {level: error, format: json}
cameras: [{name: gone, url: "rtsp://%s/x", open_timeout: 500ms}]
mqtt: {broker: "tcp://%s"}
outbox: {store: memory}
`, freeport.Address(t), freeport.Address(t)))
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
			t.Errorf("ended with exit code %d before the request", code)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("still running long after the request")
	}
}
