package detect

import (
	"math"
	"strings"
	"testing"
	"time"

	"facesieve/models"
)

func TestConfigFaults(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"input: 0 is outside 64..4096":          func(c *Config) { c.Input = 0 },
		"score: 1.5 is not between":             func(c *Config) { c.Score = 1.5 },
		"score: NaN is not between":             func(c *Config) { c.Score = math.NaN() },
		"low_score: -0.1 is not between":        func(c *Config) { c.LowScore = -0.1 },
		"low_score: 0.9 is above score 0.7":     func(c *Config) { c.Score, c.LowScore = 0.7, 0.9 },
		"nms_iou: 1 is not between":             func(c *Config) { c.NMSIoU = 1 },
		"min_face: 0 is outside 1..4096":        func(c *Config) { c.MinFace = 0 },
		"roi: 2 points, a polygon has at least": func(c *Config) { c.ROI = Polygon{{0, 0}, {1, 1}} },
		"roi[1]: [640 0] is outside 0..1":       func(c *Config) { c.ROI = Polygon{{0, 0}, {640, 0}, {1, 1}} },
		"roi[0]: [NaN 0] is outside 0..1":       func(c *Config) { c.ROI = Polygon{{math.NaN(), 0}, {0, 0}, {1, 1}} },
		"has no area":                           func(c *Config) { c.ROI = Polygon{{0, 0}, {0.5, 0.5}, {1, 1}} },
		"masks[1]: 0 points":                    func(c *Config) { c.Masks = []Polygon{{{0, 0}, {1, 0}, {1, 1}}, {}} },
		"motion.threshold: 0 is outside":        func(c *Config) { c.Motion.Threshold = 0 },
		"motion.hold: -1ns is outside":          func(c *Config) { c.Motion.Hold = -1 },
		"search_every: -1ms is outside":         func(c *Config) { c.SearchEvery = -time.Millisecond },
		"motion.every: 0s is outside":           func(c *Config) { c.Motion.Every = 0 },
		"track.confirm: 0 is outside":           func(c *Config) { c.Track.Confirm = 0 },
		"track.lost: 0s is outside":             func(c *Config) { c.Track.Lost = 0 },
	} {
		c := Default()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if err := Default().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
	if err := (Config{}).Validate(); err == nil || strings.Count(err.Error(), "\n") < 6 {
		t.Errorf("an empty configuration: %v", err)
	}
}

// settled is the default configuration with scores as a network may recommend them.
func settled() Config { return Default().withScores(&models.DetectorHead{Score: 0.75, LowScore: 0.4}) }

// TestWithScores: the network replaces scores of 0 only, and the low score is never above the score.
func TestWithScores(t *testing.T) {
	head := &models.DetectorHead{Score: 0.7, LowScore: 0.4}
	for given, want := range map[[2]float64][2]float64{
		{0, 0}:     {0.7, 0.4},
		{0.5, 0}:   {0.5, 0.4},
		{0.3, 0}:   {0.3, 0.3},
		{0, 0.2}:   {0.7, 0.2},
		{0, 0.8}:   {0.8, 0.8},
		{0.6, 0.5}: {0.6, 0.5},
	} {
		c := Default()
		c.Score, c.LowScore = given[0], given[1]
		if c = c.withScores(head); c.Score != want[0] || c.LowScore != want[1] {
			t.Errorf("%v: %g, %g", given, c.Score, c.LowScore)
		}
	}
}

func TestPolygon(t *testing.T) {
	arrow := Polygon{{0.1, 0.1}, {0.9, 0.1}, {0.9, 0.9}, {0.5, 0.3}, {0.1, 0.9}} // with a notch from below
	for _, test := range []struct {
		x, y float64
		want bool
	}{
		{0.5, 0.2, true},
		{0.5, 0.5, false},
		{0.15, 0.7, true},
		{0.85, 0.7, true},
		{0, 0, false},
		{0.5, 0.05, false},
		{1, 1, false},
		{0.2, 0.3, true},
		{0.8, 0.3, true},
	} {
		if got := arrow.contains(test.x, test.y); got != test.want {
			t.Errorf("%g,%g: %v", test.x, test.y, got)
		}
	}
}

// TestPolygonPartition: the same edge belongs to one of two neighbours only, and their direction does not matter.
func TestPolygonPartition(t *testing.T) {
	left, right := Polygon{{0, 0}, {0.5, 0}, {0.5, 1}, {0, 1}}, Polygon{{1, 1}, {1, 0}, {0.5, 0}, {0.5, 1}}
	for i := range 100 {
		for j := range 100 {
			x, y := float64(i)/100, float64(j)/100
			if left.contains(x, y) == right.contains(x, y) {
				t.Fatalf("%g,%g is in both or none", x, y)
			}
		}
	}
}

func TestIncluded(t *testing.T) {
	c := Default()
	if !c.included(0.1, 0.9) {
		t.Error("without polygons everything counts")
	}
	c.ROI = Polygon{{0, 0}, {0.5, 0}, {0.5, 1}, {0, 1}}
	c.Masks = []Polygon{{{0, 0}, {1, 0}, {1, 0.2}, {0, 0.2}}}
	for point, want := range map[[2]float64]bool{
		{0.25, 0.5}: true, {0.75, 0.5}: false, {0.25, 0.1}: false, {0.75, 0.1}: false,
	} {
		if got := c.included(point[0], point[1]); got != want {
			t.Errorf("%v: %v", point, got)
		}
	}
}
