package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// movingDaemon is a daemon whose outbox a test moves, and the broker that the test starts.
type movingDaemon struct {
	*testDaemon
	video  string
	broker *recordingBroker
}

// startMovingDaemon runs the daemon with this outbox section while the broker is stopped.
func startMovingDaemon(t *testing.T, outbox string) *movingDaemon {
	t.Helper()
	video := testsupport.SharedVideo(t, "two_heads.mp4")
	m := &movingDaemon{broker: startRecordingBroker(t), video: video}
	m.broker.down()
	m.testDaemon = &testDaemon{
		t: t, config: filepath.Join(t.TempDir(), "facesieve.yaml"), systemd: listenAsSystemd(t),
	}
	m.move(outbox, "all, threshold: 0")
	m.start()
	t.Cleanup(func() {
		m.end()
		if t.Failed() {
			t.Logf("log:\n%s", m.log.String())
		}
	})
	return m
}

func (m *movingDaemon) start() {
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	m.code = make(chan int, 1)
	go func(code chan int) { code <- run(ctx, []string{"run", "--config", m.config}, &m.log, &m.log) }(m.code)
}

func (m *movingDaemon) end() {
	m.stop()
	if code := <-m.code; code != exitOK {
		m.t.Error("exit code", code)
	}
	m.code <- exitOK // for the next call
}

// move writes the configuration with this outbox section and this policy.
func (m *movingDaemon) move(outbox, quality string) {
	m.t.Helper()
	text := fmt.Sprintf("device: pole\nlog: {format: json}\nmqtt: {broker: 'tcp://%s'}\noutbox: {%s}\n"+
		"quality: {policy: %s}\ncameras:\n%s",
		m.broker.address, outbox, quality, looped("door", m.video))
	testsupport.Must(m.t, os.WriteFile(m.config+".new", []byte(text), 0o600))
	testsupport.Must(m.t, os.Rename(m.config+".new", m.config))
}

// accepted returns the ids of the events that were logged as forwarded.
func (m *movingDaemon) accepted() map[string]bool { return forwardedIDs(m.t, m.log.String()) }

// checkDelivery starts the broker and waits until it has received all accepted events. Each must be received once.
func (m *movingDaemon) checkDelivery() {
	m.t.Helper()
	ids := slices.Collect(maps.Keys(m.accepted()))
	m.broker.up()
	testsupport.Eventually(m.t, "everything delivered", func() bool {
		return !slices.ContainsFunc(ids, func(id string) bool { return m.broker.received(id) == 0 })
	})
	for _, id := range ids {
		if n := m.broker.received(id); n != 1 {
			m.t.Errorf("event %s was received %d times", id, n)
		}
	}
}

// A reload moves the outbox to another directory, to memory and back to disk. Waiting events move too, and are
// delivered once.
func TestReloadMovesTheOutbox(t *testing.T) {
	dirs := t.TempDir()
	first, second := filepath.Join(dirs, "first"), filepath.Join(dirs, "second")
	m := startMovingDaemon(t, "dir: "+first)
	testsupport.Eventually(t, "some faces", func() bool { return len(m.accepted()) >= 4 })
	m.move("dir: "+second, "all, threshold: 100")
	m.awaitLog("the former outbox is empty", `"from":"`+first+`"`, `"to":"`+second+`"`)
	m.move("store: memory", "all, threshold: 100")
	m.awaitLog("the former outbox is empty", `"from":"`+second+`"`, `"to":"memory"`)
	m.move("dir: "+first+", key_file: /nowhere", "all, threshold: 100")
	m.awaitLog("is refused", "key_file")
	m.move("dir: "+first, "all, threshold: 100")
	testsupport.Eventually(t, "to disk", func() bool { return m.logged("the outbox moves", `"to":"`+first+`"`) > 0 })
	if names, err := os.ReadDir(second); err != nil || len(names) > 0 {
		t.Error("left behind:", names, err)
	}
	m.checkDelivery()
}

// A start with another directory, or without one, moves the events that the last run left in its directory.
func TestStartMovesTheOutbox(t *testing.T) {
	state := t.TempDir()
	t.Setenv("STATE_DIRECTORY", state)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	m := startMovingDaemon(t, "")
	testsupport.Eventually(t, "some faces", func() bool { return len(m.accepted()) >= 4 })
	m.end()
	m.move("dir: "+elsewhere, "all, threshold: 100")
	m.start()
	m.awaitLog("the former outbox is empty", `"from":"`+state+`"`, `"to":"`+elsewhere+`"`)
	m.end()
	m.move("store: memory", "all, threshold: 100")
	m.start()
	m.awaitLog("the former outbox is empty", `"from":"`+elsewhere+`"`, `"to":"memory"`)
	m.checkDelivery()
}

// The daemon also starts if the directory cannot be created, and sends the events that it holds in memory.
func TestStartWithoutADirectory(t *testing.T) {
	file := testsupport.WriteFile(t, "file", "")
	m := startMovingDaemon(t, "dir: "+filepath.Join(file, "below"))
	m.awaitLog("the outbox cannot be opened", "held in memory", "let systemd make the directory")
	m.broker.up()
	testsupport.Eventually(t, "faces", func() bool { return m.broker.last("door").ID != "" })
}
