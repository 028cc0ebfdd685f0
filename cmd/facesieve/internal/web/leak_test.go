//go:build matprofile

package web

import (
	"testing"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"
)

// Run with -tags matprofile: every copy of a frame is closed when the watchers have gone.
func TestLeakOfPictures(t *testing.T) {
	frame := newFrame(t, 1280, 720)
	before := gocv.MatProfile.Count()
	r := NewRecorder(PageBounds(), zerolog.Nop())
	for range 3 {
		pictures, stop := r.watch("gate")
		showNext(t, r, "gate", frame, pictures)
		show(r, "gate", frame)
		stop()
	}
	_, _ = r.watch("gate") // a watcher that Close removes
	show(r, "gate", frame)
	r.Close()
	if after := gocv.MatProfile.Count(); after != before {
		t.Errorf("%d Mats more than before", after-before)
	}
}
