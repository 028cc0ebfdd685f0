//go:build matprofile

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
)

// Every Mat of a replay is closed.
func TestLeakOfReplay(t *testing.T) {
	before := gocv.MatProfile.Count()
	mustInvoke(t, "replay", "--out", t.TempDir(), testsupport.SharedVideo(t, "two_heads.mp4"))
	mustInvoke(t, "score", testsupport.FaceImage(t))
	if after := gocv.MatProfile.Count(); after != before {
		t.Errorf("%d Mats more than before", after-before)
	}
}

// Every Mat of cameras that are opened, reconfigured, get other networks, and are removed is closed.
func TestLeakOfReloads(t *testing.T) {
	before := gocv.MatProfile.Count()
	t.Run("daemon", func(t *testing.T) {
		video := testsupport.SharedVideo(t, "two_heads.mp4")
		d := startTestDaemon(t, allFaces+"cameras:\n"+looped("one", video))
		testsupport.Eventually(t, "a face", func() bool { return d.faces("one") > 0 })
		d.write(noFaces + "cameras:\n" + looped("one", video) + looped("two", video))
		d.awaitLog("is in force", `"cameras_opened":["two"]`, `"cameras_reconfigured":1`)
		d.write(noFaces + "cameras:\n" + looped("one", video) + looped("lost", "/nowhere/absent.mp4"))
		d.awaitLog("is refused", "absent.mp4")
		d.write(allFaces + "runtime: {threads: 2}\ncameras:\n" + looped("two", video))
		testsupport.Eventually(t, "a face of the second camera", func() bool { return d.faces("two") > 0 })
	})
	if after := gocv.MatProfile.Count(); after != before {
		t.Errorf("%d Mats more than before", after-before)
	}
}

// A camera of 1080p holds a bounded amount of memory, besides the files that it maps: an image of 6 MiB, the frames of
// the decoder, the networks, and Go's heap.
func TestLeakOfOneCamera(t *testing.T) {
	const limit = 86 << 10 // KiB; 74 MiB on Debian 12
	path := testsupport.WriteFile(t, "facesieve.yaml", fmt.Sprintf(`
cameras: [{name: street, url: %q}]
mqtt: {broker: embedded, listen: %q}
outbox: {store: memory}
`, testsupport.SharedVideo(t, "street_exit.mp4"), freeport.Address(t)))
	c := startChild(t, []string{"MALLOC_ARENA_MAX=1"}, `exec "$0" run --config "$1"`, path)
	most := 0
	for start := time.Now(); !c.hasEnded() && time.Since(start) < testsupport.Timeout; {
		most = max(most, anonymousKiB(c.command.Process.Pid))
		time.Sleep(50 * time.Millisecond)
	}
	if status := c.status(); status.ExitStatus() != exitOK {
		t.Fatalf("it ended with %d\n%s", status.ExitStatus(), c.stderr.String())
	}
	t.Logf("%d KiB", most)
	if most > limit {
		t.Errorf("%d KiB of memory, at most %d are allowed", most, limit)
	}
}

// anonymousKiB returns the resident memory of a process that belongs to no file; 0 if it has ended.
func anonymousKiB(pid int) (kib int) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	if _, value, ok := strings.Cut(string(status), "RssAnon:"); ok {
		_, _ = fmt.Sscan(value, &kib)
	}
	return kib
}
