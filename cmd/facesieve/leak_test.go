//go:build matprofile

package main

import (
	"testing"

	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/testsupport"
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
