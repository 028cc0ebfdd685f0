//go:build matprofile

package quality

import (
	"bytes"
	"testing"

	"gocv.io/x/gocv"
)

// Run with -tags matprofile: no matrix outlives its owner, after success or an error.
func TestNoMatrixLeaks(t *testing.T) {
	scorer, _ := embeddedScorer(t)
	assessor := NewAssessor()
	assessment := assessor.Unassessed()
	frame, aligned := portrait(t), newMat(t)
	before := gocv.MatProfile.Count()
	for range 3 {
		aligner := NewAligner()
		for _, scale := range []float64{0.2, 1, 2, 5} { // each number of samples
			if _, err := aligner.Align(frame, place(0, scale, 100, 20), &aligned); err != nil {
				t.Fatal(err)
			}
			if err := assessor.Pixels(aligned, &assessment); err != nil {
				t.Fatal(err)
			}
			if _, err := scorer.Score(aligned); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := aligner.Align(frame, Landmarks{}, &aligned); err == nil {
			t.Error("landmarks in one spot are accepted")
		}
		if _, err := aligner.Align(frame, place(0, 3, 5000, 0), &aligned); err == nil {
			t.Error("a face far outside is accepted")
		}
		if err := aligner.Close(); err != nil {
			t.Error(err)
		}
	}
	if after := gocv.MatProfile.Count(); after != before {
		var report bytes.Buffer
		_ = gocv.MatProfile.WriteTo(&report, 1)
		t.Errorf("%d matrices more than before:\n%s", after-before, report.String())
	}
}
