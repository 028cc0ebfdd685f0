package main

import (
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// What the program writes tells nobody a password: log, status, events and states, in good times and in bad.
func TestNoSecretIsTold(t *testing.T) {
	t.Setenv("DOOR_PASSWORD", "0penSesame")
	t.Setenv("FACESIEVE_MQTT_USER", "station")
	t.Setenv("FACESIEVE_MQTT_PASSWORD", "hunter2secret")
	gone := "  - {name: gone, url: 'rtsp://viewer:${DOOR_PASSWORD}@" + testsupport.FreeAddress(t) + "/x?token=t0ken', open_timeout: 500ms, reconnect_max: 1s}\n"
	d := startTestDaemon(t, "max_fps: 5\n"+allFaces+"cameras:\n"+looped("door", testsupport.SharedVideo(t, "two_heads.mp4"))+gone)
	d.awaitLog(`"camera":"gone"`, "no video", "rtsp://***@")
	testsupport.Eventually(t, "status", func() bool { return strings.Contains(d.systemd.status(), "reconnecting (gone: ") })
	d.awaitLog("face forwarded")
	d.write(allFaces + "cameras:\n" + looped("door", testsupport.SharedVideo(t, "two_heads.mp4")) + gone + gone)
	d.awaitLog("is refused")
	d.write("max_fps: 5\n" + allFaces + "cameras:\n" + gone + "    password: 0penSesame\n")
	testsupport.Eventually(t, "refused again", func() bool { return d.logged("is refused") > 1 })
	for _, text := range []string{string(d.log.Copied()), d.systemd.text(), strings.Join(d.heard(), "\n")} {
		for _, secret := range []string{"0penSesame", "hunter2secret", "t0ken"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s is told", secret)
			}
		}
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if len(d.events) == 0 || len(d.states) < 2 {
		t.Errorf("%d events and %d states, too few to look for anything in them", len(d.events), len(d.states))
	}
}
