package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish"
)

// The daemon, its embedded broker and facesieve watch, on a recording: what watch receives fits the schema, and
// everything ends by itself.
func TestRunForwardsToWatch(t *testing.T) {
	video := testsupport.SharedVideo(t, "two_heads.mp4")
	address := testsupport.FreeAddress(t)
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
	var out, log testsupport.SafeBuffer
	watching, stop := context.WithCancel(ctx)
	watched := make(chan int)
	go func() {
		watched <- run(watching, []string{"watch", "--broker", "tcp://" + address, "--json"}, &out, &log)
	}()
	gallery := t.TempDir()
	code, _, stderr := invoke(ctx, "run", "--config", config, "--gallery", gallery)
	stop()
	if watchCode := <-watched; code != exitOK || watchCode != exitOK {
		t.Fatalf("exit codes %d and %d\n%s%s", code, watchCode, stderr, string(log.Copied()))
	}
	if _, err := os.Stat(filepath.Join(gallery, "index.html")); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out.Copied())), "\n")
	if len(lines) < 2 || len(lines) > 3 {
		t.Errorf("%d events for two people", len(lines))
	}
	schema := eventSchema(t)
	for _, line := range lines {
		var document any
		if err := json.Unmarshal([]byte(line), &document); err != nil {
			t.Fatalf("%v: %.200s", err, line)
		}
		if err := schema.Validate(document); err != nil {
			t.Error(err)
		}
	}
	if text := string(log.Copied()); !strings.Contains(text, "facesieve/pole: offline") || !strings.Contains(text, "pole/door: stopped") {
		t.Errorf("watch did not see the end:\n%s", text)
	}
}

func eventSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(publish.EventSchema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("event.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("event.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// A camera that is not there and a broker that is away keep nobody from ending when asked to.
func TestRunEndsWhenAsked(t *testing.T) {
	config := testsupport.WriteFile(t, "facesieve.yaml", fmt.Sprintf(`
log: {level: error, format: json}
cameras: [{name: gone, url: "rtsp://%s/x", open_timeout: 500ms}]
mqtt: {broker: "tcp://%s"}
outbox: {store: memory}
`, testsupport.FreeAddress(t), testsupport.FreeAddress(t)))
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
