package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish/outbox"
	"facesieve/publish/publishtest"
)

// With many cameras, repeated reloads that replace the publisher, and a stop in the middle of a reload, every accepted
// face is at the broker or in the outbox.
func TestReloadsAndStopLoseNoAcceptedFace(t *testing.T) {
	t.Parallel()
	broker := startRecordingBroker(t)
	directory := t.TempDir()
	config := filepath.Join(directory, "facesieve.yaml")
	write := func(n int) {
		t.Helper()
		text := fmt.Sprintf("device: pole\nlog: {level: info, format: json}\n"+
			"mqtt: {broker: 'tcp://%s', rejected: %v}\noutbox: {dir: %s}\n%scameras:\n",
			broker.address, n%2 == 0, directory, allFaces)
		for i := range 8 {
			text += looped(fmt.Sprintf("c%d", i), testsupport.SharedVideo(t, "two_heads.mp4"))
		}
		testsupport.Must(t, os.WriteFile(config+".new", []byte(text), 0o600))
		testsupport.Must(t, os.Rename(config+".new", config))
	}
	write(0)
	var log publishtest.Log
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"run", "--config", config}, &log, &log) }()
	text := func() string { return log.String() }
	logged := func(message string, times int) func() bool {
		return func() bool { return strings.Count(text(), message) >= times || len(ended) > 0 }
	}
	testsupport.Eventually(t, "faces", logged("face forwarded", 11))
	for n := 1; n <= 4; n++ {
		write(n)
		testsupport.Eventually(t, "a reload", logged(`"publisher_replaced":true`, n))
	}
	write(5)
	testsupport.Eventually(t, "the last reload", logged("reloading the configuration", 5))
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d", code)
	}
	forwarded := forwardedIDs(t, log.String())
	stored := outbox.Default()
	stored.Dir = directory
	kept := testsupport.StoredEvents(t, stored)
	t.Logf("%d forwarded, %d of them in the outbox", len(forwarded), len(kept))
	for id := range forwarded {
		if broker.received(id) == 0 && !kept[id] {
			t.Errorf("event %s is lost", id)
		}
	}
	if strings.Contains(text(), "is closed") {
		t.Errorf("the outbox was closed before the last face:\n%s", text())
	}
}
