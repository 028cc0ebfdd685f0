package pipeline

import (
	"slices"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/quality"
)

// A face is better than another one if it exceeds it in one measure, by the more the lower the other was scored.
func TestMeasuresExceed(t *testing.T) {
	base := measures{eyes: 40, sharpness: 50, yaw: 20}
	for name, test := range map[string]struct {
		m    measures
		gap  float64
		want bool
	}{
		"equal":                {base, 0, false},
		"worse in all":         {measures{39, 49, 21}, 0, false},
		"larger":               {measures{40.1, 0, 90}, 0, true},
		"sharper":              {measures{10, 50.1, 90}, 0, true},
		"less turned":          {measures{10, 0, 19.9}, 0, true},
		"hardly larger":        {measures{41.9, 54, 17}, 5, false},
		"larger than the gap":  {measures{42.1, 50, 20}, 5, true},
		"sharper than the gap": {measures{40, 55.1, 20}, 5, true},
		"turned back enough":   {measures{40, 50, 15.9}, 5, true},
		"a gap without limit":  {measures{44.1, 50, 20}, 80, true},
		"no gap":               {measures{40.1, 50, 20}, -5, true},
	} {
		if got := test.m.exceeds(base, test.gap); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// faceTimes records when the faces of each track were scored, and the best score.
type faceTimes struct {
	NoObserver
	scored map[uint64][]time.Time
	judged int
	held   int // faces without a score that are not rejected
	sent   []float64
	best   map[string]float64 // by visit
}

func (f *faceTimes) Judged(c *Candidate, _ gocv.Mat, reason quality.Reason) {
	f.judged++
	if !c.Judgement.Scored {
		if reason == "" {
			f.held++
		}
		return
	}
	f.scored[c.Track] = append(f.scored[c.Track], c.Time)
	if reason == "" || reason == quality.ReasonDuplicate {
		f.best[c.Visit.ID] = max(f.best[c.Visit.ID], c.Judgement.Score.Value)
	}
}

func (f *faceTimes) Decided(d Decision) { f.sent = append(f.sent, d.Score) }

// Two people turn their heads: less than half of the faces are scored, none is left without a score for long, and the
// faces that are sent are nearly the best of all. An observer that gets all scores changes nothing.
func TestFacesThatCannotWinAreNotScored(t *testing.T) {
	video := testsupport.SharedVideo(t, "two_heads.mp4")
	camera := config.Default().NewCamera()
	run := func(all bool) *faceTimes {
		seen := &faceTimes{scored: map[uint64][]time.Time{}, best: map[string]float64{}}
		visits := 0
		processWith(t, newTestPool(t), camera, video, time.Unix(0, 0), Options{Sink: &visitSink{}, Observers: []Observer{seen}, ScoreAll: all, NewVisitID: func(time.Time) string {
			visits++
			return string(rune('0' + visits))
		}})
		return seen
	}
	all, some := run(true), run(false)
	if !slices.Equal(all.sent, some.sent) {
		t.Errorf("sent scores %v, and %v if all faces are scored", some.sent, all.sent)
	}
	if some.held > 0 {
		t.Errorf("%d faces are held without a score", some.held)
	}
	count := 0
	for track, times := range some.scored {
		count += len(times)
		for i, at := range times[1:] {
			if gap := at.Sub(times[i]); gap > scoreEvery+150*time.Millisecond { // a frame takes up to 125 ms
				t.Errorf("track %d has no score for %v", track, gap)
			}
		}
	}
	if some.judged != all.judged || 2*count > all.judged {
		t.Errorf("%d of %d faces are scored, of %d if all are", count, some.judged, all.judged)
	}
	for visit, best := range all.best {
		if got := some.best[visit]; got < best-4 {
			t.Errorf("visit %s: the best score is %.1f, of all faces %.1f", visit, got, best)
		}
	}
}
