package detect

import (
	"errors"
	"fmt"
	"time"

	"facesieve/models"
)

// Config says how faces are found and followed.
type Config struct {
	// Input is the longer side, in pixels, of the scaled frame that the network sees: 320, 640... A smaller frame is not
	// scaled up.
	Input int `yaml:"input"`
	// Score is what a face needs to begin a track, LowScore what is enough to continue one; 0..1, and 0 is what the
	// network's manifest recommends.
	Score    float64 `yaml:"score"`
	LowScore float64 `yaml:"low_score"`
	// NMSIoU is the overlap (intersection over union) above which the lower scored of two boxes is dropped.
	NMSIoU float64 `yaml:"nms_iou"`
	// MinFace is the least length of a box's longer side, in pixels of the frame.
	MinFace float64 `yaml:"min_face"`
	// SecondLook says whether a face is looked at once more, closer and by a network of its own, before it is judged, and one with less
	// than Score before it is followed: see Refiner.
	SecondLook bool `yaml:"second_look"`
	// ROI is where faces count; empty: everywhere. In Masks they do not. A face is where the centre of its box is.
	ROI    Polygon       `yaml:"roi"`
	Masks  []Polygon     `yaml:"masks"`
	Motion MotionConfig  `yaml:"motion"`
	Track  TrackerConfig `yaml:"track"`
}

// MotionConfig says when a frame is worth looking at.
type MotionConfig struct {
	Enabled bool `yaml:"enabled"`
	// Threshold is the change of brightness that counts, in grey levels 1..255. Noise of the camera raises it by itself.
	Threshold int `yaml:"threshold"`
	// Hold is how long after the last motion frames are still looked at.
	Hold time.Duration `yaml:"hold"`
	// Every is how often a frame is looked at without any motion.
	Every time.Duration `yaml:"every"`
}

// TrackerConfig says when a track begins and ends.
type TrackerConfig struct {
	// Confirm is the number of frames a face must be seen in before it is a track.
	Confirm int `yaml:"confirm"`
	// Lost is how long a face may be out of sight before its track ends.
	Lost time.Duration `yaml:"lost"`
}

// Default returns the configuration that is shipped.
func Default() Config {
	return Config{
		Input:      640,
		NMSIoU:     0.4,
		MinFace:    20,
		SecondLook: true,
		Motion:     MotionConfig{Enabled: true, Threshold: 12, Hold: 2 * time.Second, Every: 3 * time.Second},
		Track:      TrackerConfig{Confirm: 2, Lost: 1500 * time.Millisecond},
	}
}

// For returns the configuration with what it leaves to the network: the scores that are 0.
func (c Config) For(head *models.DetectorHead) Config {
	if c.Score == 0 {
		c.Score = max(head.Score, c.LowScore)
	}
	if c.LowScore == 0 {
		c.LowScore = min(head.LowScore, c.Score)
	}
	return c
}

// Validate returns every fault at once, each with its key.
func (c Config) Validate() error {
	var faults []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
		}
	}
	c.checkScores(check)
	duration := func(key string, d, low, high time.Duration) {
		check(d >= low && d <= high, key, "%v is outside %v..%v", d, low, high)
	}
	check(c.Input >= 64 && c.Input <= 4096, "input", "%d is outside 64..4096", c.Input)
	check(c.NMSIoU > 0 && c.NMSIoU < 1, "nms_iou", "%g is not between 0 and 1", c.NMSIoU)
	check(c.MinFace >= 1 && c.MinFace <= 4096, "min_face", "%g is outside 1..4096", c.MinFace)
	if len(c.ROI) > 0 {
		faults = append(faults, c.ROI.validate("roi")...)
	}
	for i, mask := range c.Masks {
		faults = append(faults, mask.validate(fmt.Sprintf("masks[%d]", i))...)
	}
	check(c.Motion.Threshold >= 1 && c.Motion.Threshold <= 255, "motion.threshold", "%d is outside 1..255", c.Motion.Threshold)
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
