package detect

import (
	"image"
	"reflect"
	"testing"
	"time"
)

// A new configuration applies to new tracks and keeps the present ones.
func TestConfigureKeepsTracks(t *testing.T) {
	s := newScene(t)
	s.show(0, at(100, 100, 50, 0.9))
	before := s.show(0.1, at(101, 100, 50, 0.9))
	cfg := settled()
	cfg.Score, cfg.Track.Confirm, cfg.Track.Lost = 0.95, 1, 10*time.Second
	s.tracker.Configure(cfg)
	after := s.show(0.2, at(102, 100, 50, 0.9), at(400, 300, 50, 0.96), at(700, 100, 50, 0.9))
	if len(before) != 1 || len(after) != 2 || after[0].ID != before[0].ID || after[1].Face.Box[0] < 300 {
		t.Errorf("tracks %+v, then %+v", before, after)
	}
	if s.show(5); len(s.ended) != 0 {
		t.Errorf("ended by the time of before: %+v", s.ended)
	}
}

// The motion gate keeps its background, unless the region of interest changes.
func TestConfigureKeepsTheBackground(t *testing.T) {
	c := newCamera(t, 640, 360, 2)
	cfg := Default()
	cfg.Motion.Hold, cfg.Motion.Every = 0, time.Hour
	m := NewMotion(cfg)
	quiet := func(second float64) bool { return !m.Selects(seconds(second), c.shoot(t, image.Rectangle{}, 0)) }
	quiet(0)
	if !quiet(0.5) {
		t.Fatal("motion where nothing moves")
	}
	cfg.Motion.Threshold = 30
	m.Configure(cfg)
	if !quiet(1) {
		t.Error("the gate restarted with another threshold")
	}
	cfg.ROI = Polygon{{0, 0}, {0.5, 0}, {0.5, 1}, {0, 1}}
	m.Configure(cfg)
	if quiet(1.5) {
		t.Error("the first frame with another region was not selected")
	}
	if !quiet(2) || m.Selects(seconds(2.5), c.shoot(t, image.Rect(400, 100, 600, 300), 0)) {
		t.Error("motion outside of the region")
	}
}

// Detectors of cameras with different frame sizes share one network, and find the same faces as with a network each.
func TestDetectorsShareANetwork(t *testing.T) {
	cfg := Default()
	cfg.Score, cfg.LowScore, cfg.Input = 0.9, 0.45, 320
	one := testDetector(t, cfg)
	other, err := NewDetector(cfg, one.network)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	wide, high := pattern(t, 640, 360), pattern(t, 480, 720)
	wantWide, err := testDetector(t, cfg).Detect(wide)
	if err != nil {
		t.Fatal(err)
	}
	wantHigh, err := testDetector(t, cfg).Detect(high)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		gotWide, err1 := one.Detect(wide)
		gotHigh, err2 := other.Detect(high)
		if err1 != nil || err2 != nil || !reflect.DeepEqual(gotWide, wantWide) || !reflect.DeepEqual(gotHigh, wantHigh) {
			t.Fatalf("%d and %d faces instead of %d and %d; %v, %v",
				len(gotWide), len(gotHigh), len(wantWide), len(wantHigh), err1, err2)
		}
	}
	if len(wantWide) == 0 || len(wantHigh) == 0 {
		t.Error("no faces to compare")
	}
}
