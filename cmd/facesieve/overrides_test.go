package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/quality"
)

// newStateDirectory sets an empty state directory, and returns the path of the overrides in it.
func newStateDirectory(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	t.Setenv("STATE_DIRECTORY", directory)
	return filepath.Join(directory, config.OverridesName)
}

// A threshold that is overridden while the daemon runs applies from then on, and the file's applies again when the
// override is removed. The camera is not opened again.
func TestOverrideOfAThreshold(t *testing.T) {
	path := newStateDirectory(t)
	cameras := "cameras:\n" + looped("door", testsupport.SharedVideo(t, "two_heads.mp4"))
	d := startTestDaemon(t, noFaces+cameras)
	testsupport.Eventually(t, "running", func() bool { return strings.HasPrefix(d.systemd.status(), "1 camera running") })
	testsupport.Must(t, os.WriteFile(path, []byte("cameras: {door: {quality: {threshold: 0}}}\n"), 0o600))
	testsupport.Eventually(t, "a face", func() bool { return d.faces("door") > 0 })
	d.awaitLog("is in force", `"cameras_reconfigured":1`)

	// Overrides with a fault are refused, and those before stay in force.
	testsupport.Must(t, os.WriteFile(path, []byte("cameras:\n  door: {quality: {threshold: 200}}\n"), 0o600))
	d.awaitLog("the new configuration is refused", "overrides.yaml:2:31: cameras.door.quality.threshold: 200 is outside")
	testsupport.Eventually(t, "status", func() bool {
		return strings.Contains(d.systemd.status(), "refused: overrides.yaml line 2: cameras.door.quality.threshold")
	})
	before := d.faces("door")
	testsupport.Eventually(t, "more faces", func() bool { return d.faces("door") > before })

	// The page's way to change it: saved through OverridesFile, and undone.
	testsupport.Must(t, os.Remove(path))
	reloaded := func(n int) {
		t.Helper()
		testsupport.Eventually(t, "another reload", func() bool {
			return d.logged("is in force", `"cameras_reconfigured":1`) == n
		})
	}
	reloaded(2)
	overrides, err := config.OpenOverrides(d.config, config.Secret)
	testsupport.Must(t, err)
	testsupport.Must(t, overrides.Update(func(o *config.Overrides) error {
		o.Cameras["door"] = config.CameraOverride{Quality: config.QualityOverride{Threshold: new(quality.Threshold(0))}}
		return nil
	}))
	reloaded(3)
	before = d.faces("door")
	testsupport.Eventually(t, "faces after a save", func() bool { return d.faces("door") > before })
	testsupport.Must(t, overrides.Undo())
	reloaded(4)
	if n := d.logged(`"video"`, `"camera":"door"`); n != 1 {
		t.Errorf("the camera was opened %d times", n)
	}
}

// A camera that is disabled by an override at the start, or later, is stopped, keeps its state topic, and starts when
// it is enabled. The daemon runs without an enabled camera.
func TestOverrideDisablesACamera(t *testing.T) {
	path := newStateDirectory(t)
	const off = "cameras: {door: {enabled: false}, gone: {enabled: true}}\n"
	testsupport.Must(t, os.WriteFile(path, []byte(off), 0o600))
	cameras := "cameras:\n" + looped("door", testsupport.SharedVideo(t, "two_heads.mp4"))
	d := startTestDaemon(t, allFaces+cameras)
	d.awaitLog("overrides replace settings", `"cameras":["door"]`, path)
	d.awaitLog("overrides of absent cameras are ignored", `cameras.gone: the configuration has no camera`)
	testsupport.Eventually(t, "disabled", func() bool {
		return d.state("door") == "stopped" && strings.HasPrefix(d.systemd.status(), "1 camera stopped (door: disabled)")
	})
	if d.logged(`"video"`) > 0 {
		t.Error("a disabled camera was opened")
	}
	testsupport.Must(t, os.WriteFile(path, nil, 0o600))
	d.awaitLog("is in force", `"cameras_opened":["door"]`, `"cameras_removed":[]`, `"cameras_disabled":[]`)
	testsupport.Eventually(t, "a face", func() bool { return d.faces("door") > 0 && d.state("door") == "running" })
	testsupport.Must(t, os.WriteFile(path, []byte(off), 0o600))
	d.awaitLog("is in force", `"cameras_opened":[]`, `"cameras_removed":[]`, `"cameras_disabled":["door"]`)
	testsupport.Eventually(t, "disabled again", func() bool { return d.state("door") == "stopped" })
	d.write(allFaces + strings.Replace(cameras, "loop: true", "loop: true, quality: {threshold: 1}", 1))
	d.awaitLog("is in force", `"cameras_opened":[]`, `"cameras_disabled":[]`, `"cameras_reconfigured":1`)
}

// The daemon starts without overrides that have a fault, logs it, and applies them when they are fixed.
func TestStartWithWrongOverrides(t *testing.T) {
	path := newStateDirectory(t)
	testsupport.Must(t, os.WriteFile(path, []byte("cameras: {door: {quality: {threshold: 0, gates: 5}}}\n"), 0o600))
	cameras := "cameras:\n" + looped("door", testsupport.SharedVideo(t, "two_heads.mp4"))
	d := startTestDaemon(t, noFaces+cameras)
	d.awaitLog("the overrides are refused", "overrides.yaml:1:49: cameras.door.quality.gates", "fix the file or remove it")
	testsupport.Eventually(t, "status", func() bool {
		status := d.systemd.status()
		return strings.HasPrefix(status, "1 camera running") &&
			strings.Contains(status, "refused: overrides.yaml line 1: cameras.door.quality.gates") &&
			strings.Contains(status, "; the configuration file applies without them")
	})
	if d.faces("door") > 0 {
		t.Error("a part of the overrides is in force")
	}
	testsupport.Must(t, os.WriteFile(path, []byte("cameras: {door: {quality: {threshold: 0}}}\n"), 0o600))
	testsupport.Eventually(t, "a face", func() bool { return d.faces("door") > 0 })
	testsupport.Eventually(t, "status", func() bool { return !strings.Contains(d.systemd.status(), "refused") })
}

// check reports the overrides and their faults, and prints the origin of every value.
func TestCheckOfOverrides(t *testing.T) {
	path := newStateDirectory(t)
	file := testsupport.WriteFile(t, "facesieve.yaml", goodConfig)
	stdout, _ := mustInvoke(t, "check", "--config", file)
	if !strings.Contains(stdout, "overrides: none in "+path) {
		t.Errorf("%q", stdout)
	}
	testsupport.Must(t, os.WriteFile(path, []byte("cameras:\n  a: {quality: {threshold: 33}}\n  b: {}\n"), 0o600))
	stdout, stderr := mustInvoke(t, "check", "--origins", "--config", file)
	for _, want := range []string{
		"# " + file + ": good; 1 camera(s)\n", "# overrides: " + path + ", of a\n",
		"        threshold: 33 # override " + path + ":2\n", "url: a.mp4 # " + file + ":1\n", "policy: best # default\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in\n%s", want, stdout)
		}
	}
	if !strings.Contains(stderr, path+`:3:3: cameras.b: the configuration has no camera "b"`) {
		t.Errorf("%q", stderr)
	}
	again := testsupport.WriteFile(t, "again.yaml", stdout)
	mustInvoke(t, "check", "--config", again)
	testsupport.Must(t, os.WriteFile(path, []byte("cameras: {a: {qality: {}}}\n"), 0o600))
	code, _, stderr := invoke(t.Context(), "check", "--config", file)
	const fault = `:1:15: cameras.a.qality: unknown key; did you mean "quality"?`
	if code != exitConfig || !strings.Contains(stderr, path+fault) ||
		!strings.Contains(stderr, "run starts without them") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
