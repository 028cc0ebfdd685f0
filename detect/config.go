package detect

import (
	"errors"
	"fmt"
	"math"
	"time"

	"facesieve/models"
)

// Config configures the detection and the tracking of faces.
type Config struct {
	// Input is the longer side of the scaled frame that the network processes, pixels: 320, 640... A smaller frame is
	// not scaled up.
	Input int `yaml:"input"`
	// Score is the minimum score of a face that begins a track, LowScore of one that continues it; 0..1. 0 is the
	// recommendation of the network's manifest.
	Score    float64 `yaml:"score"`
	LowScore float64 `yaml:"low_score"`
	// NMSIoU is the overlap (intersection over union) above which the box with the lower score is dropped.
	NMSIoU float64 `yaml:"nms_iou"`
	// MinFace is the minimum length of a box's longer side, pixels of the frame.
	MinFace float64 `yaml:"min_face"`
	// SearchEvery is the time between two searches for new faces where something moves. A new face appears at most a third
	// later than that. Elsewhere the known faces are followed, with a Refiner, and Motion.Every is the time between two
	// searches. 0, or no Refine, searches every whole frame.
	SearchEvery time.Duration `yaml:"search_every"`
	// Refine enables the refinement of faces by a Refiner; NeedsRefinement decides which.
	Refine bool `yaml:"refine"`
	// ROI is the region of interest; empty: the whole frame. A face is ignored if the centre of its box is outside the
	// ROI or inside one of the Masks.
	ROI    Polygon       `yaml:"roi"`
	Masks  []Polygon     `yaml:"masks"`
	Motion MotionConfig  `yaml:"motion"`
	Track  TrackerConfig `yaml:"track"`
}

// MotionConfig configures which frames the motion gate selects for detection.
type MotionConfig struct {
	Enabled bool `yaml:"enabled"`
	// Threshold is the minimum change of brightness, grey levels 1..255. The noise of the camera raises it
	// automatically.
	Threshold int `yaml:"threshold"`
	// Hold is the time after the last motion during which all frames are selected.
	Hold time.Duration `yaml:"hold"`
	// Every is the interval of selected frames without motion, and of searches of the whole frame.
	Every time.Duration `yaml:"every"`
}

// TrackerConfig configures when a track begins and ends.
type TrackerConfig struct {
	// Confirm is the number of frames with a face before it is a track.
	Confirm int `yaml:"confirm"`
	// Lost is the time without the face after which its track ends.
	Lost time.Duration `yaml:"lost"`
}

// Default returns the shipped configuration.
func Default() Config {
	return Config{
		Input:       640,
		NMSIoU:      0.4,
		MinFace:     20,
		SearchEvery: 300 * time.Millisecond,
		Refine:      true,
		Motion:      MotionConfig{Enabled: true, Threshold: 12, Hold: 2 * time.Second, Every: 3 * time.Second},
		Track:       TrackerConfig{Confirm: 2, Lost: 1500 * time.Millisecond},
	}
}

// withScores returns the configuration with the scores of a network's manifest in place of those that are 0.
func (c Config) withScores(head *models.DetectorHead) Config {
	if c.Score == 0 {
		c.Score = max(head.Score, c.LowScore)
	}
	if c.LowScore == 0 {
		c.LowScore = min(head.LowScore, c.Score)
	}
	return c
}

// Validate returns all faults, each with its key.
func (c Config) Validate() error {
	var faults []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			faults = append(faults, models.KeyError{Key: key, Err: fmt.Errorf(format, args...)})
		}
	}
	c.checkScores(check)
	duration := func(key string, d, low, high time.Duration) {
		check(d >= low && d <= high, key, "%v is outside %v..%v", d, low, high)
	}
	check(c.Input >= 64 && c.Input <= 4096, "input", "%d is outside 64..4096", c.Input)
	check(c.NMSIoU > 0 && c.NMSIoU < 1, "nms_iou", "%g is not between 0 and 1", c.NMSIoU)
	duration("search_every", c.SearchEvery, 0, 10*time.Second)
	check(c.MinFace >= 1 && c.MinFace <= 4096, "min_face", "%g is outside 1..4096", c.MinFace)
	if len(c.ROI) > 0 {
		faults = append(faults, c.ROI.validate("roi")...)
	}
	for i, mask := range c.Masks {
		faults = append(faults, mask.validate(fmt.Sprintf("masks[%d]", i))...)
	}
	check(c.Motion.Threshold >= 1 && c.Motion.Threshold <= 255, "motion.threshold",
		"%d is outside 1..255", c.Motion.Threshold)
	duration("motion.hold", c.Motion.Hold, 0, time.Minute)
	duration("motion.every", c.Motion.Every, 100*time.Millisecond, time.Hour)
	check(c.Track.Confirm >= 1 && c.Track.Confirm <= 100, "track.confirm", "%d is outside 1..100", c.Track.Confirm)
	duration("track.lost", c.Track.Lost, 100*time.Millisecond, time.Minute)
	return errors.Join(faults...)
}

func (c Config) checkScores(check func(ok bool, key, format string, args ...any)) {
	check(c.Score >= 0 && c.Score < 1, "score", "%g is not between 0 and 1", c.Score)
	check(c.LowScore >= 0 && c.LowScore < 1, "low_score", "%g is not between 0 and 1", c.LowScore)
	check(c.Score == 0 || c.LowScore <= c.Score, "low_score", "%g is above score %g", c.LowScore, c.Score)
}

// Polygon is a closed line of at least three points x, y relative to the frame: 0, 0 is its upper left corner and 1, 1
// its lower right one. The even-odd rule defines its inside.
type Polygon [][2]float64

// validate returns all faults, each with its key.
func (p Polygon) validate(key string) []error {
	var faults []error
	if len(p) < 3 {
		faults = append(faults, models.KeyError{Key: key, Err: fmt.Errorf("%d points, a polygon has at least 3", len(p))})
	}
	for i, point := range p {
		// This form also rejects NaN.
		if !(point[0] >= 0 && point[0] <= 1 && point[1] >= 0 && point[1] <= 1) {
			err := fmt.Errorf("%v is outside 0..1, the coordinates are relative", point)
			faults = append(faults, models.KeyError{Key: fmt.Sprintf("%s[%d]", key, i), Err: err})
		}
	}
	if len(faults) == 0 && p.area() == 0 {
		faults = append(faults, models.KeyError{Key: key, Err: errors.New("has no area; its corners are on one line")})
	}
	return faults
}

// area is computed by the shoelace formula.
func (p Polygon) area() float64 {
	sum := 0.0
	for i, a := range p {
		b := p[(i+1)%len(p)]
		sum += a[0]*b[1] - b[0]*a[1]
	}
	return math.Abs(sum) / 2
}

// contains counts the edges to the right of the point.
func (p Polygon) contains(x, y float64) bool {
	inside := false
	for i, a := range p {
		b := p[(i+1)%len(p)]
		if (a[1] > y) != (b[1] > y) && x < a[0]+(b[0]-a[0])*(y-a[1])/(b[1]-a[1]) {
			inside = !inside
		}
	}
	return inside
}

// masked reports whether a point, relative to the frame, is in one of the masks.
func (c Config) masked(x, y float64) bool {
	for _, mask := range c.Masks {
		if mask.contains(x, y) {
			return true
		}
	}
	return false
}

// included reports whether a face with this centre, relative to the frame, is in the region of interest and not masked.
func (c Config) included(x, y float64) bool {
	return (len(c.ROI) == 0 || c.ROI.contains(x, y)) && !c.masked(x, y)
}
