package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
	"facesieve/publish/publishtest"
)

const (
	allFaces = "quality: {policy: all, threshold: 0}\n"
	noFaces  = "quality: {policy: all, threshold: 100}\n"
)

func looped(camera, video string) string {
	return fmt.Sprintf("  - {name: %s, url: %s, loop: true}\n", camera, video)
}

// A reload of another threshold keeps the connection to the camera.
func TestReloadOfAThresholdKeepsTheConnection(t *testing.T) {
	camera := newRTSPCamera(t, testsupport.SharedVideo(t, "two_heads.mp4"))
	cameras := fmt.Sprintf("cameras: [{name: door, url: %q, read_timeout: 2s}]\n", camera.url())
	d := startTestDaemon(t, noFaces+cameras)
	testsupport.Eventually(t, "running", func() bool { return strings.HasPrefix(d.systemd.status(), "1 camera running") })
	if d.faces("door") != 0 {
		t.Fatal("a face was sent although the threshold is 100")
	}
	d.write(allFaces + cameras)
	d.awaitLog("the new configuration is in force", `"cameras_reconfigured":1`, `"publisher_replaced":false`)
	testsupport.Eventually(t, "a face", func() bool { return d.faces("door") > 0 })
	if n := camera.plays.Load(); n != 1 {
		t.Errorf("the camera received %d PLAY requests", n)
	}
}

// A reload opens new cameras and closes removed ones, and does not change the others. SIGHUP reloads as well.
func TestReloadAddsAndRemovesCameras(t *testing.T) {
	first, second := testsupport.SharedVideo(t, "two_heads.mp4"), testsupport.SharedVideo(t, "walk_in.mp4")
	d := startTestDaemon(t, allFaces+"cameras:\n"+looped("one", first)+looped("two", first))
	testsupport.Eventually(t, "faces", func() bool { return d.faces("one") > 0 && d.faces("two") > 0 })
	d.write(allFaces + "cameras:\n" + looped("two", first) + looped("three", second))
	d.awaitLog("is in force", `"cameras_opened":["three"]`, `"cameras_removed":["one"]`, `"cameras_reconfigured":0`)
	testsupport.Eventually(t, "the state of the removed camera is cleared", func() bool {
		return d.state("one") == "removed"
	})
	before := d.faces("two")
	testsupport.Eventually(t, "faces of the new camera, and more of the unchanged one", func() bool {
		return d.faces("three") > 0 && d.faces("two") > before
	})
	if !strings.HasPrefix(d.systemd.status(), "2 cameras running") {
		t.Errorf("status %q", d.systemd.status())
	}
	if n := d.logged(`"video"`, `"camera":"two"`); n != 1 {
		t.Errorf("the camera that stays was opened %d times", n)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.awaitLog("the configuration is the same as before")
	if n := d.logged("is in force", "cameras_opened"); n != 1 {
		t.Errorf("%d configurations came into force", n)
	}
}

// A bad file changes nothing. Every fault is in the log. The first fault is in the status until a good file is read.
func TestReloadRefusesABadFile(t *testing.T) {
	cameras := "cameras:\n" + looped("door", testsupport.SharedVideo(t, "two_heads.mp4"))
	d := startTestDaemon(t, allFaces+cameras)
	testsupport.Eventually(t, "a face", func() bool { return d.faces("door") > 0 })
	d.write("detect: {scor: 1}\nmax_fps: many\n" + cameras)
	d.awaitLog("the new configuration is refused",
		"facesieve.yaml:5:10: detect.scor: unknown key", "facesieve.yaml:6:10: max_fps")
	testsupport.Eventually(t, "status", func() bool {
		return strings.Contains(d.systemd.status(), "refused: line 5: detect.scor: unknown key") &&
			strings.HasPrefix(d.systemd.status(), "1 camera running")
	})
	before := d.faces("door")
	d.write(allFaces + cameras + looped("gone", "/nowhere/absent.mp4"))
	d.awaitLog("the new configuration is refused", "camera gone", "absent.mp4")
	testsupport.Eventually(t, "more faces", func() bool { return d.faces("door") > before })
	d.write(allFaces + cameras)
	d.awaitLog("the configuration is the same as before")
	testsupport.Eventually(t, "status", func() bool { return !strings.Contains(d.systemd.status(), "refused") })
	if n := d.logged(`"video"`, `"camera":"door"`); n != 1 {
		t.Errorf("the camera was opened %d times", n)
	}
	text := d.systemd.text()
	reloads, ready := strings.Count(text, "RELOADING=1\nMONOTONIC_USEC="), strings.Count(text, "READY=1")
	if ready != reloads+1 || reloads < 3 {
		t.Errorf("%d times reloading, %d times ready", reloads, ready)
	}
}

// A reload of other topics replaces the publisher, and does not affect the camera.
func TestReloadOfTopics(t *testing.T) {
	cameras := "cameras:\n" + looped("door", testsupport.SharedVideo(t, "two_heads.mp4"))
	d := startTestDaemon(t, allFaces+cameras)
	testsupport.Eventually(t, "a face", func() bool { return d.faces("door") > 0 })
	d.write(strings.Replace(allFaces+cameras, "quality:", "image: {encoding: png}\nquality:", 1))
	d.awaitLog("is in force", `"cameras_reconfigured":1`, `"publisher_replaced":false`)
	text, err := os.ReadFile(d.config)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "mqtt: {", "mqtt: {root: other/root, ", 1)
	if err := os.WriteFile(d.config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	d.awaitLog("is in force", `"publisher_replaced":true`, `"cameras_reconfigured":0`)
	d.awaitLog("connected to the broker", "other/root")
	testsupport.Eventually(t, "delivery", func() bool { return strings.Contains(d.systemd.status(), "broker connected") })
	if n := d.logged(`"video"`, `"camera":"door"`); n != 1 {
		t.Errorf("the camera was opened %d times", n)
	}
}

// Events that wait for one broker are sent to the next; and another runtime takes effect without a gap.
func TestReloadOfTheBrokerKeepsWaitingEvents(t *testing.T) {
	broker := publishtest.StartAnonymous(t).Addr
	cameras := "cameras:\n" + looped("door", testsupport.SharedVideo(t, "two_heads.mp4"))
	d := startDaemonOn(t, broker, fmt.Sprintf("broker: 'tcp://%s'", freeport.Address(t)), allFaces+cameras)
	testsupport.Eventually(t, "waiting events", func() bool {
		return strings.Contains(d.systemd.status(), "events waiting") && d.logged("face forwarded") > 2
	})
	d.write(noFaces + cameras)
	d.awaitLog("the camera's new settings are in force")
	waiting := d.logged("face forwarded")
	if d.faces("door") > 0 {
		t.Fatal("an event was sent to a broker that is not configured")
	}
	d.mqtt = fmt.Sprintf("broker: 'tcp://%s'", broker)
	d.write(noFaces + cameras + "runtime: {threads: 2}\n")
	d.awaitLog("is in force", `"publisher_replaced":true`, `"cameras_reconfigured":1`)
	testsupport.Eventually(t, "all events", func() bool { return d.faces("door") == waiting })
	d.awaitLog("facesieve-detector", "network is ready", `"threads":2`)
	d.write(allFaces + cameras + "runtime: {threads: 2}\n")
	testsupport.Eventually(t, "new events", func() bool { return d.faces("door") > waiting })
	if n := d.logged(`"video"`, `"camera":"door"`); n != 1 {
		t.Errorf("the camera was opened %d times", n)
	}
}

// If the new embedded broker cannot listen, the reload fails and the former broker is restored.
func TestFailedReloadRestoresTheBroker(t *testing.T) {
	cameras := "cameras:\n" + looped("door", testsupport.SharedVideo(t, "two_heads.mp4"))
	d := startTestDaemon(t, allFaces+cameras)
	testsupport.Eventually(t, "a face", func() bool { return d.faces("door") > 0 })
	used, err := net.Listen("tcp", "127.0.0.1:0")
	testsupport.Must(t, err)
	defer used.Close()
	d.mqtt = embeddedBroker(used.Addr().String())
	d.write(allFaces + cameras)
	d.awaitLog("the new configuration is refused", "address already in use")
	before := d.faces("door")
	testsupport.Eventually(t, "more faces", func() bool { return d.faces("door") > before })
	if status := d.systemd.status(); !strings.Contains(status, "the former one stays in force") {
		t.Errorf("status %q", status)
	}
}

// The daemon resets systemd's watchdog, also while a camera cannot be reached.
func TestWatchdogIsReset(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "2000000")
	d := startTestDaemon(t, "cameras:\n"+looped("door", testsupport.SharedVideo(t, "walk_in.mp4"))+
		fmt.Sprintf("  - {name: gone, url: 'rtsp://%s/x', open_timeout: 500ms}\n", freeport.Address(t)))
	testsupport.Eventually(t, "three resets of the watchdog", func() bool {
		return strings.Count(d.systemd.text(), "WATCHDOG=1") >= 3
	})
}
