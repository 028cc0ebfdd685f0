package daemon

import (
	"errors"
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/detect"
	"facesieve/publish/event"
)

// A camera is occupied for some seconds after a face; faces count when they are accepted.
func TestActivity(t *testing.T) {
	a := newActivity()
	state := func(camera string, later time.Duration) CameraState {
		c := CameraState{Name: camera}
		a.complete(&c, time.Now().Add(later))
		return c
	}
	a.Frame(pipeline.FrameReport{Camera: "door", Tracks: []detect.Track{{}}}) // not analysed
	a.Frame(pipeline.FrameReport{Camera: "door", Analysed: true})
	if state("door", 0).Occupied {
		t.Error("occupied without a track")
	}
	a.Frame(pipeline.FrameReport{Camera: "door", Analysed: true, Tracks: []detect.Track{{}}})
	if !state("door", 0).Occupied || !state("door", occupiedFor/2).Occupied || state("door", occupiedFor).Occupied ||
		state("other", 0).Occupied {
		t.Error("not occupied for the time after a track, or another camera is")
	}
	face := event.Face{Camera: "door", Time: time.Now(), LatencyMS: 1200, Quality: event.Quality{Score: 55.5}}
	up := observedUplink{&faultyUplink{faces: map[string]int{}, inject: func(_ string, n int) error {
		if n == 3 {
			return errors.New("full")
		}
		return nil
	}}, a, &reports{}}
	for range 3 {
		_ = up.Publish(face)
		face.Quality.Score++
	}
	got := state("door", 0)
	if want := (event.LastFace{Time: face.Time.Round(0).UTC(), Score: 56.5, LatencyMS: 1200}); got.LastFace != want ||
		got.FacesLastHour != 2 {
		t.Errorf("%+v", got)
	}
	if n := state("door", 2*time.Hour).FacesLastHour; n != 0 {
		t.Errorf("%d faces two hours later", n)
	}
}
