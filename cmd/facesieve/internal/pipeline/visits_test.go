package pipeline

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/capture"
	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/quality"
)

// visitSink records the visits of the faces that are sent.
type visitSink struct{ sent []quality.Visit }

func (s *visitSink) Face(c *Candidate) error {
	s.sent = append(s.sent, c.Visit)
	return nil
}

func (s *visitSink) Rejected(*Candidate, quality.Reason) error { return nil }

// visitFaces records the visit of each judged face, and corrects it as the pipeline reports.
type visitFaces struct {
	NoObserver
	faces map[uint64]map[time.Time]string // by track and time
}

func (v *visitFaces) Judged(c *Candidate, _ gocv.Mat, _ quality.Reason) {
	if v.faces[c.Track] == nil {
		v.faces[c.Track] = map[time.Time]string{}
	}
	v.faces[c.Track][c.Time] = c.Visit.ID
}

func (v *visitFaces) Moved(_ string, m quality.Move) {
	for at := range v.faces[m.Track] {
		if !at.Before(m.Since) {
			v.faces[m.Track][at] = m.Visit
		}
	}
}

// process takes a recording through a pipeline of a pool. It begins at this time.
func process(t *testing.T, pool *Pool, camera config.Camera, video string, start time.Time, observers ...Observer) []quality.Visit {
	t.Helper()
	sink := &visitSink{}
	processWith(t, pool, camera, video, start, Options{Sink: sink, Observers: observers})
	return sink.sent
}

// processWith is process with these options.
func processWith(t *testing.T, pool *Pool, camera config.Camera, video string, start time.Time, options Options) {
	t.Helper()
	camera.Capture.URL, camera.Capture.Pace, camera.Capture.Start = video, capture.Fast, start
	e, err := NewEngine(pool, camera.Detect, camera.Quality)
	testsupport.Must(t, err)
	p, err := New(camera, e, options, zerolog.Nop())
	testsupport.Must(t, err)
	source, err := OpenSource(camera, zerolog.Nop())
	testsupport.Must(t, err)
	testsupport.Must(t, p.Run(context.WithoutCancel(t.Context()), source), source.Close(), p.Close())
}

// On a street, a man is hidden by another one who takes over his track, and a woman is hidden for two seconds. Everyone
// is one visit, and the observers learn which.
func TestVisitsOnAStreet(t *testing.T) {
	video := testsupport.SharedVideo(t, "street_exit.mp4")
	camera := config.Default().NewCamera()
	seen := &visitFaces{faces: map[uint64]map[time.Time]string{}}
	sent := process(t, newTestPool(t), camera, video, time.Unix(0, 0), seen)
	visits := map[string]quality.Visit{}
	for _, visit := range sent {
		visits[visit.ID] = visit
	}
	if len(sent) != 7 || len(visits) != 7 { // six people, and one in profile
		t.Errorf("%d faces of %d visits are sent, expected 7 of 7: %+v", len(sent), len(visits), sent)
	}
	tracks := map[string]map[uint64]bool{}
	shared := 0
	for track, faces := range seen.faces {
		owners := map[string]bool{}
		for _, visit := range faces {
			owners[visit] = true
			if tracks[visit] == nil {
				tracks[visit] = map[uint64]bool{}
			}
			tracks[visit][track] = true
		}
		if len(owners) > 1 {
			shared++
		}
	}
	joined := slices.Collect(maps.Values(tracks))
	joined = slices.DeleteFunc(joined, func(of map[uint64]bool) bool { return len(of) < 2 })
	if shared != 1 || len(joined) != 2 {
		t.Errorf("%d tracks are split, and %d visits have several tracks, expected 1 and 2", shared, len(joined))
	}
}

// People who go on to another camera within a minute are not sent again, if both cameras share their visits.
func TestVisitsBeforeTwoCameras(t *testing.T) {
	video := testsupport.SharedVideo(t, "two_heads.mp4")
	for _, across := range []bool{false, true} {
		pool := newTestPool(t)
		camera := config.Default().NewCamera()
		camera.Quality.Visit.Across = across
		first := process(t, pool, camera, video, time.Unix(0, 0))
		second := process(t, pool, camera, video, time.Unix(30, 0))
		want := map[bool]int{false: 2, true: 0}[across]
		if len(first) != 2 || len(second) != want {
			t.Errorf("across %v: %d faces before the first camera and %d before the second, expected 2 and %d",
				across, len(first), len(second), want)
		}
	}
}
