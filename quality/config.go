package quality

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Policies: which faces of a track are sent.
const (
	PolicyBest     = "best"     // one per track, when it ends or after max_wait
	PolicyQuick    = "quick"    // the first above the threshold, at once; again only if clearly better
	PolicyInterval = "interval" // the best of every interval
	PolicyAll      = "all"      // every face above the threshold
)

// Config says which faces are good enough to be sent, and which of them are.
type Config struct {
	// Policy is best, quick, interval or all.
	Policy string `yaml:"policy"`
	// Threshold is the least score, 0..100, that is sent.
	Threshold float64 `yaml:"threshold"`
	// MaxWait bounds the wait of policy best: counted from the first face of a track that may be sent. 0 waits for the
	// end of the track.
	MaxWait time.Duration `yaml:"max_wait"`
	// Interval of policy interval, counted from the first face that may be sent.
	Interval time.Duration `yaml:"interval"`
	// QuickGain is by how many points a face must beat the last one sent of its track, for policy quick to send again.
	QuickGain float64 `yaml:"quick_gain"`
	Gates     Gates   `yaml:"gates"`
}

// Default returns what an empty section of the configuration stands for.
func Default() Config {
	return Config{
		Policy:    PolicyBest,
		Threshold: 20,
		MaxWait:   15 * time.Second,
		Interval:  5 * time.Second,
		QuickGain: 15,
		Gates: Gates{
			MinEyeDistance: 10,
			MinSharpness:   10,
			MaxYaw:         60,
			MaxPitch:       45,
			MaxRoll:        60,
			MaxResidual:    14,
			EdgeMargin:     0,
		},
	}
}

// Validate returns everything that is wrong, joined; each error is "key: value, fault and mend".
func (c Config) Validate() error {
	var faults []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
		}
	}
	policies := []string{PolicyBest, PolicyQuick, PolicyInterval, PolicyAll}
	check(slices.Contains(policies, c.Policy), "policy", "%q is not one of %s", c.Policy, strings.Join(policies, ", "))
	check(c.MaxWait >= 0, "max_wait", "%s is negative; 0 waits for the end of the track", c.MaxWait)
	check(c.Interval > 0, "interval", "%s is no interval; give the time between two faces, such as 5s", c.Interval)
	for _, bound := range c.bounds() {
		check(bound.value >= bound.low && bound.value <= bound.high, bound.key,
			"%g is outside %g..%g%s", bound.value, bound.low, bound.high, bound.meaning)
	}
	return errors.Join(faults...)
}

// bound is a number with its range, both ends included.
type bound struct {
	key              string
	value, low, high float64
	meaning          string
}

func (c Config) bounds() []bound {
	g := c.Gates
	return []bound{
		{"threshold", c.Threshold, 0, 100, " (a score; 0 sends every face)"},
		{"quick_gain", c.QuickGain, 0, 100, " points of score"},
		{"gates.min_eye_distance", g.MinEyeDistance, 0, 1000, " pixels of the frame (0 takes all)"},
		{"gates.min_sharpness", g.MinSharpness, 0, 100, " (the Sharpness component; 0 takes all)"},
		{"gates.max_yaw", g.MaxYaw, 0, 90, " degrees (90 takes all)"},
		{"gates.max_pitch", g.MaxPitch, 0, 90, " degrees (90 takes all)"},
		{"gates.max_roll", g.MaxRoll, 0, 180, " degrees (180 takes all)"},
		{"gates.max_residual", g.MaxResidual, 0, Size, " pixels of the aligned face (112 takes all)"},
		{"gates.edge_margin", g.EdgeMargin, -1, 1, ", a share of the box (-1 takes all, 0 must not touch the border)"},
	}
}
