package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/capture/cameratest"
	"facesieve/cmd/facesieve/internal/doctor"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
	"facesieve/publish/outbox"
	"facesieve/publish/publishtest"
)

// runDoctor runs doctor with a short time for each camera.
func runDoctor(t *testing.T, text string, asJSON bool) (code int, stdout, stderr string) {
	t.Helper()
	file := testsupport.WriteFile(t, "doctor.yaml", text)
	var out, err bytes.Buffer
	command := doctorCommand{Config: filePath(file), JSON: asJSON, watch: 2 * time.Second}
	code = report(command.Run(t.Context(), console{&out, &err}), &err)
	return code, out.String(), err.String()
}

// boardLines are the checks whose results depend on the machine of the test.
var boardLines = regexp.MustCompile(`(?m)^\S+ +(clock|systemd|memory|cpu): .*\n`)

var numbers = regexp.MustCompile(`[0-9]+(\.[0-9]+)?`)

// golden returns the lines of doctor without those of the board, each number as N, and the texts in known by name.
func golden(lines string, known map[string]string) string {
	lines = boardLines.ReplaceAllString(lines, "")
	for text, name := range known {
		lines = strings.ReplaceAll(lines, text, name)
	}
	lines = strings.ReplaceAll(lines, " GiB", " MiB") // of free space
	return numbers.ReplaceAllString(lines, "N")
}

// newStillCamera returns a camera that shows a face.
func newStillCamera(t *testing.T) *cameratest.Camera {
	t.Helper()
	face := testsupport.FaceImage(t)
	return cameratest.New(t, "640x480", func(size string) []string {
		return []string{"-loop", "1", "-framerate", "10", "-i", face, "-vf", "scale=" + strings.Replace(size, "x", ":", 1)}
	})
}

// A good set-up: every line is ok. The outbox is that of a running daemon, which is not disturbed.
func TestDoctorOnAGoodSetup(t *testing.T) {
	camera, broker, dir := newStillCamera(t), publishtest.StartAnonymous(t), t.TempDir()
	text := fmt.Sprintf(`device: gate
cameras: [{name: door, url: %q}]
mqtt: {broker: %q}
outbox: {dir: %q}
`, camera.URL, broker.URL(), dir)
	cfg := outbox.Default()
	cfg.Dir = dir
	daemon, err := outbox.Open(cfg, zerolog.Nop())
	testsupport.Must(t, err)
	code, stdout, stderr := runDoctor(t, text, false)
	want := `ok       camera door: CAMERA, hN, NxN, N frames a second, N ms of CPU to decode a frame in software; ` +
		`N faces in N frames, N to N pixels wide, N pass the gates
ok       broker: BROKER: connected by MQTT N, without a login, QoS N; a message came back, and so did a retained one
ok       outbox: DIR: writable, in use by a running facesieve, N MiB free
ok       web: there is no page and there are no metrics, because web.listen is empty
ok       network facesieve-detector-N: self-test passed (deviation N steps), TFLite N.N, xnnpack, N ms at NxN
ok       network facesieve-landmarks-N: self-test passed (deviation N steps), TFLite N.N, xnnpack, N ms at NxN
ok       network facesieve-quality-mf-N.N: self-test passed (deviation N steps), TFLite N.N, xnnpack, N ms at NxN
`
	known := map[string]string{camera.URL: "CAMERA", broker.URL(): "BROKER", dir: "DIR"}
	if got := golden(stdout, known); code != exitOK || got != want {
		t.Errorf("exit code %d\n%s\nwant\n%s\n%s", code, got, want, stderr)
	}
	testsupport.Must(t, daemon.Close())
}

// A broken set-up: each fault is named with its fix, no password is printed, and the cameras do not wait for each other.
func TestDoctorOnABrokenSetup(t *testing.T) {
	locked := newStillCamera(t)
	locked.Down()
	locked.User, locked.Password = "viewer", "sesame"
	locked.Up()
	silent := cameratest.Serve(t, cameratest.Silent)
	address := freeport.Address(t)
	file := testsupport.WriteFile(t, "file", "")
	login := strings.Replace(locked.URL, "://", "://viewer:hunter2@", 1)
	text := fmt.Sprintf(`device: gate
cameras:
  - {name: locked, url: %q}
  - {name: silent, url: "rtsp://viewer:hunter2@%s/x", open_timeout: 1s}
  - {name: absent, url: /absent/video.mp4}
mqtt: {broker: "tcp://%s", user: joe, password: hunter2}
outbox: {dir: %q}
`, login, silent, address, file)
	code, stdout, stderr := runDoctor(t, text, false)
	hidden := strings.Replace(login, "viewer:hunter2", "***", 1)
	known := map[string]string{
		hidden: "LOCKED", silent: "SILENT", address: "BROKER", file: "FILE",
		regexp.MustCompile(`[0-9]+$`).FindString(address) + " ": "PORT ",
	}
	want := `failed   camera locked: open LOCKED: the camera refuses user or password (N Unauthorized); fix: correct them in the url
failed   camera silent: open rtsp://***@SILENT/x: the server at SILENT accepts connections but does not answer within Ns; ` +
		`fix: restart the camera, or check the port
failed   camera absent: open /absent/video.mpN: file does not exist; fix: check the path
`
	got := golden(stdout, known)
	if code != exitFailure || !strings.HasPrefix(got, want) {
		t.Errorf("exit code %d\n%s\nwant\n%s", code, got, want)
	}
	for _, line := range []string{
		"failed   broker: connect to tcp://BROKER: nothing listens on port",
		"failed   outbox: dir: cannot write to FILE: not a directory: let systemd make the directory",
		"ok       network facesieve-detector-N: self-test passed",
	} {
		if !strings.Contains(got, "\n"+line) {
			t.Errorf("no line begins with %q:\n%s", line, got)
		}
	}
	if !strings.HasSuffix(stderr, "facesieve: 5 of 13 checks failed\n") {
		t.Errorf("no summary: %s", stderr)
	}
	if strings.Contains(stdout+stderr, "hunter2") {
		t.Errorf("a password is printed:\n%s%s", stdout, stderr)
	}
}

func TestDoctorPrintsJSON(t *testing.T) {
	broker, video := publishtest.StartAnonymous(t), testsupport.FaceImage(t)
	text := fmt.Sprintf("device: gate\ncameras: [{name: door, url: %q}]\nmqtt: {broker: %q}\noutbox: {dir: %q}\n",
		video, broker.URL(), filepath.Join(t.TempDir(), "absent", "outbox"))
	code, stdout, stderr := runDoctor(t, text, true)
	var got doctorReport
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitOK {
		t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	counts := map[string]int{}
	for _, f := range got.Checks {
		if counts[f.Check]++; f.Result == doctor.Failed {
			t.Errorf("%+v", f)
		}
	}
	if want := "map[broker:1 camera:1 clock:1 cpu:1 memory:1 network:3 outbox:1 systemd:1 web:1]"; fmt.Sprint(counts) != want {
		t.Errorf("checks %v, want %s", counts, want)
	}
	values, _ := got.Checks[0].Values.(map[string]any)
	if values["width"] != 640.0 || values["usable"] != 1.0 {
		t.Errorf("values of the camera: %v", values)
	}
}

func TestDoctorRefusesABadConfiguration(t *testing.T) {
	code, stdout, stderr := runDoctor(t, "max_fps: -1\ncameras: [{name: a, url: a.mp4}]\n", false)
	if code != exitConfig || stdout != "" || !strings.Contains(stderr, "max_fps") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
}

// A camera that an override disables is not opened, the page of a running daemon answers, and its token is there.
func TestDoctorBesideARunningDaemon(t *testing.T) {
	state, listen := t.TempDir(), freeport.Address(t)
	t.Setenv("STATE_DIRECTORY", state)
	d := startTestDaemon(t, fmt.Sprintf("web: {listen: '%s'}\ncameras:\n", listen)+
		looped("door", testsupport.SharedVideo(t, "two_heads.mp4"))+"  - {name: shed, url: 'rtsp://127.0.0.1:1/x'}\n")
	testsupport.Must(t, os.WriteFile(filepath.Join(state, "overrides.yaml"), []byte("cameras: {shed: {enabled: false}}\n"), 0o600))
	d.awaitLog("the new configuration is in force")
	testsupport.Eventually(t, "ready", func() bool { return d.state("door") == "running" })
	text, err := os.ReadFile(d.config)
	testsupport.Must(t, err)
	code, stdout, stderr := runDoctor(t, string(text), false)
	want := []string{
		"ok       camera door: ", "ok       camera shed: disabled (enabled: false), so it is not checked",
		"ok       overrides: " + state + "/overrides.yaml replaces settings of shed",
		"ok       web: " + listen + " is answered by the daemon, which is ready",
		"ok       web token: " + state + "/page-token, mode 600",
	}
	for _, line := range want {
		if !strings.Contains("\n"+stdout, "\n"+line) {
			t.Errorf("no line begins with %q", line)
		}
	}
	if code != exitOK || t.Failed() {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// Overrides with a fault are a failed check: the daemon starts without them.
func TestDoctorOnRefusedOverrides(t *testing.T) {
	state := t.TempDir()
	t.Setenv("STATE_DIRECTORY", state)
	testsupport.Must(t, os.WriteFile(filepath.Join(state, "overrides.yaml"), []byte("cameras: {a: {enabled: maybe}}\n"), 0o600))
	text := fmt.Sprintf("cameras: [{name: a, url: %q}]\nmqtt: {broker: embedded, listen: '%s'}\noutbox: {store: memory}\n",
		testsupport.FaceImage(t), freeport.Address(t))
	code, stdout, _ := runDoctor(t, text, false)
	if code != exitFailure || !strings.Contains(stdout, "failed   overrides: refused, so the configuration file applies without them: ") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
}
