package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
	"facesieve/publish"
	"facesieve/publish/event"
	"facesieve/publish/outbox"
	"facesieve/publish/publishtest"
)

// A run sends the events that the last run could not send without a broker, although their camera cannot be reached.
func TestNextRunSendsStoredEvents(t *testing.T) {
	state := t.TempDir()
	t.Setenv("STATE_DIRECTORY", state)
	first := testsupport.WriteFile(t, "first.yaml", fmt.Sprintf(`
device: pole
log: {level: error, format: json}
quality: {threshold: 0}
cameras: [{name: door, url: %s, pace: fast}]
mqtt: {broker: "tcp://%s"}
`, testsupport.SharedVideo(t, "two_heads.mp4"), freeport.Address(t)))
	mustInvoke(t, "run", "--config", first)
	if info, err := os.Stat(filepath.Join(state, "outbox.db")); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}

	broker := publishtest.StartAnonymous(t).Addr
	settings := publish.Default()
	settings.Broker, settings.Root = "tcp://"+broker, "facesieve/pole"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	online, events := make(chan struct{}, 100), make(chan event.Face, 100)
	subscribed := make(chan error)
	go func() {
		subscribed <- publish.Subscribe(ctx, settings, publish.Handler{
			Face:  func(e event.Face) { events <- e },
			State: func(event.State) { online <- struct{}{} },
		}, zerolog.Nop())
	}()
	announce(t, broker, online)
	second := testsupport.WriteFile(t, "second.yaml", fmt.Sprintf(`
device: pole
log: {level: error, format: json}
cameras: [{name: gone, url: "rtsp://%s/x", open_timeout: 500ms}]
mqtt: {broker: "tcp://%s"}
`, freeport.Address(t), broker))
	running, stop := context.WithCancel(ctx)
	ended := make(chan int)
	go func() {
		code, _, _ := invoke(running, "run", "--config", second)
		ended <- code
	}()
	for range 2 { // people in the recording
		select {
		case e := <-events:
			if e.Camera != "door" || !e.Replayed {
				t.Errorf("camera %s, replayed %v", e.Camera, e.Replayed)
			}
		case <-ctx.Done():
			t.Fatal("the events of the last run are missing")
		}
	}
	stop()
	if code := <-ended; code != exitOK {
		t.Error("exit code", code)
	}
	cancel()
	if err := <-subscribed; err != nil {
		t.Error(err)
	}
}

// announce publishes a state, which is retained, and waits until the subscriber receives it. From then on the
// subscriber receives every message.
func announce(t *testing.T, broker string, received <-chan struct{}) {
	t.Helper()
	cfg := publish.Default()
	cfg.Broker, cfg.Device, cfg.ClientID = "tcp://"+broker, "pole", "announcer"
	settings := outbox.Default()
	settings.Store = outbox.Memory
	queue, err := outbox.Open(settings, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer queue.Close()
	p, err := publish.Open(cfg, queue, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(t.Context())
	if err := p.SetState("test", event.State{State: event.Running, Since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-received:
	case <-time.After(time.Minute):
		t.Fatal("the subscriber receives nothing")
	}
}
