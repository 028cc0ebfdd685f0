package main

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
)

// Each command checks only the parts of the file that it uses.
func TestCommandsCheckWhatTheyUse(t *testing.T) {
	const text = `
device: a/b
log: {level: loud}
image: {quality: 0}
detect: {input: 1}
quality: {threshold: 200}
runtime: {threads: 0}
mqtt: {keep_alive: 1s}
outbox: {max_events: 0}
cameras:
  - {name: a, url: "rtsp://u:${ABSENT}@h/x", read_timeout: 0s}
  - {name: b, url: "ftp://h", max_fps: -1}
`
	for name, test := range map[string]struct {
		use  config.Scope
		want []string
	}{
		"daemon": {config.ForDaemon(), []string{
			"cameras[0].read_timeout", "cameras[0].url", "cameras[1].max_fps", "cameras[1].url",
			"detect.input", "device", "image.quality", "log.level", "mqtt.keep_alive", "outbox.max_events",
			"quality.threshold", "runtime.threads",
		}},
		"watch": {config.ForWatch(), []string{"device", "mqtt.keep_alive"}},
		"score": {config.ForScore(), []string{"detect.input", "quality.threshold", "runtime.threads"}},
		"replay": {config.ForReplay("", false), []string{
			"cameras[0].read_timeout", "detect.input", "device", "image.quality", "log.level", "quality.threshold",
			"runtime.threads",
		}},
		"replay of b, sent": {config.ForReplay("b", true), []string{
			"cameras[1].max_fps", "detect.input", "device", "image.quality", "log.level", "mqtt.keep_alive",
			"outbox.max_events", "quality.threshold", "runtime.threads",
		}},
	} {
		_, err := config.Parse(test.use, "test.yaml", []byte(text), testsupport.NoEnvironment)
		var faults config.Faults
		if !errors.As(err, &faults) {
			t.Fatalf("%s: %v", name, err)
		}
		var keys []string
		for _, fault := range faults.List {
			keys = append(keys, fault.Key)
		}
		slices.Sort(keys)
		if !slices.Equal(keys, test.want) {
			t.Errorf("%s: faults of %q, want %q", name, keys, test.want)
		}
	}
	// A key that may be a misspelled section, and text that is not YAML, are faults for every command.
	for _, text := range []string{"mqqt: {broker: 'tcp://h'}", "cameras: [", "colour: red"} {
		for _, used := range []config.Scope{config.ForDaemon(), config.ForWatch(), config.ForScore(), config.ForReplay("",
			false)} {
			if _, err := config.Parse(used, "test.yaml", []byte(text), testsupport.NoEnvironment); err == nil {
				t.Errorf("%s is accepted for %+v", text, used)
			}
		}
	}
}

// Commands other than check and run need neither a camera nor its password.
func TestCommandsWithoutSecretsAndCameras(t *testing.T) {
	face := testsupport.FaceImage(t)
	secret := testsupport.WriteFile(t, "secret.yaml", "quality: {threshold: 1}\n"+
		"cameras: [{name: gate, url: 'rtsp://u:${ABSENT_PASSWORD}@h/x', max_fps: 0}]\n")
	none := testsupport.WriteFile(t, "none.yaml", "quality: {threshold: 1}\nmax_fps: 0\n")
	for _, config := range []string{secret, none} {
		mustInvoke(t, "score", "--config", config, face)
		mustInvoke(t, "replay", "--config", config, "--out", filepath.Join(t.TempDir(), "out"), face)
		mustInvoke(t, "watch", "--config", config, "--for", "1ms")
		for _, command := range []string{"check", "run"} {
			if code, _, stderr := invoke(t.Context(), command, "--config", config); code != exitConfig {
				t.Errorf("%s: exit code %d, %s", command, code, stderr)
			}
		}
	}
	mustInvoke(t, "replay", "--config", secret, "--camera", "gate", "--out", filepath.Join(t.TempDir(), "out"), face)
	code, _, stderr := invoke(t.Context(), "replay", "--config", secret, "--camera", "door", "--out", t.TempDir(), face)
	if code != exitFailure || stderr != "facesieve: no camera is named \"door\"; the configuration has gate\n" {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
