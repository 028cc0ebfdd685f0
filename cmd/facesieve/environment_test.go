package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A credential of systemd stands in for a variable that is not set, under its name or that in small letters.
func TestSecretsFromCredentials(t *testing.T) {
	folder := t.TempDir()
	must(t, os.Mkdir(filepath.Join(folder, "credentials"), 0o700))
	for name, text := range map[string]string{
		"credentials/facesieve_mqtt_password": "hunter2\n", "credentials/DOOR": "kn0ck", "credentials/door": "not this", "outside": "stolen",
	} {
		must(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Join(folder, "credentials"))
	t.Setenv("FACESIEVE_TEST_SET", "environment")
	for name, want := range map[string]string{
		"FACESIEVE_MQTT_PASSWORD": "hunter2", "DOOR": "kn0ck", "FACESIEVE_TEST_SET": "environment", "ABSENT": "",
		"../outside": "", "..": "", ".": "", "": "",
	} {
		if got := secrets(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
	cfg, err := parseFor(forDaemon(), "test.yaml", []byte("mqtt: {user: a}\ncameras: [{name: a, url: 'rtsp://a:${DOOR}@host/x'}]"), secrets)
	if err != nil || cfg.MQTT.Password != "hunter2" || !strings.Contains(cfg.Cameras[0].Capture.URL, ":kn0ck@") {
		t.Errorf("%+v, %v", cfg, err)
	}
}

// What the program writes tells nobody a password: log, status, events and states, in good times and in bad.
func TestNoSecretIsTold(t *testing.T) {
	t.Setenv("DOOR_PASSWORD", "0penSesame")
	t.Setenv("FACESIEVE_MQTT_USER", "station")
	t.Setenv("FACESIEVE_MQTT_PASSWORD", "hunter2secret")
	gone := "  - {name: gone, url: 'rtsp://viewer:${DOOR_PASSWORD}@" + freeAddress(t) + "/x?token=t0ken', open_timeout: 500ms, reconnect_max: 1s}\n"
	d := startTestDaemon(t, "max_fps: 5\n"+allFaces+"cameras:\n"+looped("door", sharedVideo(t, "two_heads.mp4"))+gone)
	d.awaitLog(`"camera":"gone"`, "no video", "rtsp://***@")
	eventually(t, "status", func() bool { return strings.Contains(d.systemd.status(), "reconnecting (gone: ") })
	d.awaitLog("face forwarded")
	d.write(allFaces + "cameras:\n" + looped("door", sharedVideo(t, "two_heads.mp4")) + gone + gone)
	d.awaitLog("is refused")
	d.write("max_fps: 5\n" + allFaces + "cameras:\n" + gone + "    password: 0penSesame\n")
	eventually(t, "refused again", func() bool { return d.logged("is refused") > 1 })
	for _, text := range []string{string(d.log.copied()), d.systemd.text(), strings.Join(d.heard(), "\n")} {
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
