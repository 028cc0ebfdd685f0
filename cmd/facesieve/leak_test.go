//go:build matprofile

package main

import (
	"testing"

	"gocv.io/x/gocv"
)

// Every Mat of a whole replay is closed again.
func TestLeakOfReplay(t *testing.T) {
	before := gocv.MatProfile.Count()
	mustInvoke(t, "replay", "--out", t.TempDir(), sharedVideo(t, "two_heads.mp4"))
	mustInvoke(t, "score", facePicture(t))
	if after := gocv.MatProfile.Count(); after != before {
		t.Errorf("%d Mats more than before", after-before)
	}
}
