package main

import (
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
)

// Log, status, events and states contain no password, also after faults.
func TestNoOutputContainsASecret(t *testing.T) {
	t.Setenv("DOOR_PASSWORD", "0penSesame")
	t.Setenv("FACESIEVE_MQTT_USER", "device")
	t.Setenv("FACESIEVE_MQTT_PASSWORD", "hunter2secret")
	gone := "  - {name: gone, url: 'rtsp://viewer:${DOOR_PASSWORD}@" + freeport.Address(t) +
		"/x?token=t0ken', open_timeout: 500ms, reconnect_max: 1s}\n"
	door := looped("door", testsupport.SharedVideo(t, "two_heads.mp4"))
	d := startTestDaemon(t, "max_fps: 5\n"+allFaces+"cameras:\n"+door+gone)
	d.awaitLog(`"camera":"gone"`, "no video", "rtsp://***@")
	testsupport.Eventually(t, "status", func() bool {
		return strings.Contains(d.systemd.status(), "reconnecting (gone: ")
	})
	d.awaitLog("face forwarded")
	d.write(allFaces + "cameras:\n" + door + gone + gone)
	d.awaitLog("is refused")
	d.write("max_fps: 5\n" + allFaces + "cameras:\n" + gone + "    password: 0penSesame\n")
	testsupport.Eventually(t, "a second refusal", func() bool { return d.logged("is refused") > 1 })
	for _, text := range []string{d.log.String(), d.systemd.text(), strings.Join(d.messages(), "\n")} {
		for _, secret := range []string{"0penSesame", "hunter2secret", "t0ken"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s is in the output", secret)
			}
		}
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if len(d.events) == 0 || len(d.states) < 2 {
		t.Errorf("%d events and %d states; want at least 1 and 2", len(d.events), len(d.states))
	}
}
