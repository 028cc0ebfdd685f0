package main

import (
	"fmt"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
)

// A stream and a recording that cannot be opened do not affect another camera.
func TestUnreachableCamerasDoNotAffectOthers(t *testing.T) {
	d := startTestDaemon(t, allFaces+"cameras:\n"+
		fmt.Sprintf("  - {name: gone, url: 'rtsp://viewer:hunter2@%s/x', open_timeout: 500ms}\n", freeport.Address(t))+
		looped("door", testsupport.SharedVideo(t, "two_heads.mp4"))+looped("lost", "/nowhere/absent.mp4"))
	testsupport.Eventually(t, "faces", func() bool { return d.faces("door") > 1 })
	testsupport.Eventually(t, "status", func() bool {
		status := d.systemd.status()
		return strings.HasPrefix(status, "1 camera running, 1 reconnecting (gone: connection refused)") &&
			strings.Contains(status, "1 stopped (lost: file does not exist; check the path)") &&
			strings.Contains(status, "broker connected; ")
	})
	testsupport.Eventually(t, "states", func() bool {
		return d.state("gone") == "reconnecting" && d.state("lost") == "stopped"
	})
	d.stop()
	if code := <-d.code; code != exitFailure {
		t.Errorf("exit code %d with a recording that cannot be opened", code)
	}
	d.code <- exitOK
	for _, text := range []string{d.log.String(), d.systemd.text()} {
		if strings.Contains(text, "hunter2") {
			t.Error("a password is in the log or the status")
		}
	}
}

// Faces that a pipeline holds when the daemon is stopped are sent.
func TestStopSendsHeldFaces(t *testing.T) {
	video := testsupport.SharedVideo(t, "two_heads.mp4")
	d := startTestDaemon(t, "quality: {threshold: 0, max_wait: 0s}\ncameras:\n"+looped("door", video)+
		fmt.Sprintf("  - {name: other, url: %s, loop: true, quality: {policy: all}}\n", video))
	testsupport.Eventually(t, "faces of the other camera", func() bool { return d.faces("other") >= 10 })
	if d.faces("door") != 0 {
		t.Fatal("a face was sent before its track ended")
	}
	d.stop()
	code := <-d.code
	d.code <- code
	testsupport.Eventually(t, "the held faces", func() bool { return d.faces("door") == 2 })
}
