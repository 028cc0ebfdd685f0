//go:build matprofile

package health

import (
	"testing"
	"time"

	"gocv.io/x/gocv"
)

// Run with -tags matprofile: nothing that is computed of a frame stays.
func TestLeakOfMaps(t *testing.T) {
	usual, turned := sceneWindow(t, 1, asItIs), sceneWindow(t, 1, func(f *gocv.Mat, _ float64) { move(f, 6, 0) })
	before := gocv.MatProfile.Count()
	p := newPlayer()
	p.play(t, 15*time.Minute, usual)
	p.play(t, 5*time.Minute, turned)
	if after := gocv.MatProfile.Count(); after != before || !p.only(Moved, 3*time.Minute) {
		t.Errorf("%d Mats more than before; %v", after-before, p.reasons)
	}
}
