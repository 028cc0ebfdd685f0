package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// If a variable is not set, the systemd credential of its name, also in lower case, is used.
func TestSecretsFromCredentials(t *testing.T) {
	directory := t.TempDir()
	testsupport.Must(t, os.Mkdir(filepath.Join(directory, "credentials"), 0o700))
	for name, text := range map[string]string{
		"credentials/facesieve_mqtt_password": "hunter2\n", "credentials/DOOR": "kn0ck", "credentials/door": "not this",
		"outside": "stolen",
	} {
		testsupport.Must(t, os.WriteFile(filepath.Join(directory, name), []byte(text), 0o600))
	}
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Join(directory, "credentials"))
	t.Setenv("FACESIEVE_TEST_SET", "environment")
	for name, want := range map[string]string{
		"FACESIEVE_MQTT_PASSWORD": "hunter2", "DOOR": "kn0ck", "FACESIEVE_TEST_SET": "environment", "ABSENT": "",
		"../outside": "", "..": "", ".": "", "": "",
	} {
		if got := Secret(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
	text := "mqtt: {user: a}\ncameras: [{name: a, url: 'rtsp://a:${DOOR}@host/x'}]"
	cfg, err := Parse(ForDaemon(), "test.yaml", []byte(text), Secret)
	if err != nil || cfg.MQTT.Password != "hunter2" || !strings.Contains(cfg.Cameras[0].Capture.URL, ":kn0ck@") {
		t.Errorf("%+v, %v", cfg, err)
	}
}
