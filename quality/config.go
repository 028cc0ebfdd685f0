package quality

import (
	"errors"
	"fmt"
	"image"
	"slices"
	"strings"
	"time"

	"facesieve/models"
)

// Policies select the faces of a visit that are sent, among those that may be sent: no gate rejects them, and their
// score is at least the threshold.
const (
	PolicyBest     = "best"     // the best one, when the visit ends or after max_wait
	PolicyQuick    = "quick"    // the first one, at once, and another one if it is better by quick_gain
	PolicyInterval = "interval" // the best one of every interval
	PolicyAll      = "all"      // every one
)

// Config is section quality of the configuration: which faces may be sent, and which of them are.
type Config struct {
	// Policy is best, quick, interval or all.
	Policy string `yaml:"policy"`
	// Threshold is the least score, 0..100, of a face that may be sent. Auto moves it, in steps of at most 2 points an
	// hour, so that recognisers match the share Target of the faces that are sent. It needs feedback.
	Threshold Threshold `yaml:"threshold"`
	// Target is the share of the sent faces, 0.5..0.999, that recognisers shall match, if Threshold is Auto.
	Target float64 `yaml:"target"`
	// Auto bounds the threshold, the lower score first, if Threshold is Auto.
	Auto Bounds `yaml:"auto,flow"`
	// MaxWait bounds the delay of policy best, from the first face of a visit that may be sent. At 0 it waits for the end
	// of the visit.
	MaxWait time.Duration `yaml:"max_wait"`
	// Interval of policy interval, from the first face that may be sent.
	Interval time.Duration `yaml:"interval"`
	// QuickGain is the number of points by which a face must be better than the one sent last of its visit, for policy
	// quick to send it too, and for policy best after a visit has continued.
	QuickGain float64 `yaml:"quick_gain"`
	Gates     Gates   `yaml:"gates"`
	// Visit configures which tracks are one visit of one person.
	Visit VisitConfig `yaml:"visit"`
}

// VisitConfig configures which tracks are one visit of one person, and when a face is no person.
type VisitConfig struct {
	// Rejoin is the time after the end of a visit within which the same person continues it. Embeddings are kept in
	// memory for so long. 0: a visit is not continued.
	Rejoin time.Duration `yaml:"rejoin"`
	// Across is true if a visit also continues before another camera of the same program that has Across set.
	Across bool `yaml:"across"`
	// Static is the time after which a face that does not move is reported with ReasonStatic and ignored until it moves.
	// 0: never.
	Static time.Duration `yaml:"static"`
}

// Default returns the configuration of an empty section.
func Default() Config {
	return Config{
		Policy:    PolicyBest,
		Threshold: 20,
		Target:    0.95,
		Auto:      Bounds{10, 50},
		MaxWait:   15 * time.Second,
		Interval:  5 * time.Second,
		QuickGain: 15,
		Visit:     VisitConfig{Rejoin: time.Minute, Static: 2 * time.Minute},
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

// LeastScore returns the least score of a face that may be sent. For a threshold that is Auto it is the first one: the
// default threshold, within the bounds.
func (c Config) LeastScore() float64 {
	if c.Threshold == Auto {
		return max(c.Auto[0], min(c.Auto[1], float64(Default().Threshold)))
	}
	return float64(c.Threshold)
}

// Validate returns every fault, joined; each error is "key: value, what is wrong with it, how to fix it".
func (c Config) Validate() error {
	var faults []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			faults = append(faults, models.KeyError{Key: key, Err: fmt.Errorf(format, args...)})
		}
	}
	policies := []string{PolicyBest, PolicyQuick, PolicyInterval, PolicyAll}
	check(slices.Contains(policies, c.Policy), "policy", "%q is not one of %s", c.Policy, strings.Join(policies, ", "))
	check(c.MaxWait >= 0, "max_wait", "%s is negative; 0 waits for the end of the visit", c.MaxWait)
	check(c.Interval > 0, "interval", "%s is no interval; give the time between two faces, such as 5s", c.Interval)
	check(c.Visit.Rejoin >= 0 && c.Visit.Rejoin <= time.Hour, "visit.rejoin", "%s is outside 0s..1h", c.Visit.Rejoin)
	check(c.Visit.Static == 0 || c.Visit.Static >= 10*time.Second && c.Visit.Static <= 24*time.Hour, "visit.static",
		"%s is outside 10s..24h; 0 reports no face as static", c.Visit.Static)
	check(c.Auto[0] >= 0 && c.Auto[0] <= c.Auto[1] && c.Auto[1] <= 100, "auto",
		"[%g, %g] are no bounds of a score; give two scores from 0 to 100, the lower one first", c.Auto[0], c.Auto[1])
	bounds := []bound{
		{"threshold", c.LeastScore(), 0, 100, " (a score; 0 sends every face); it may also be auto"},
		{"target", c.Target, 0.5, 0.999, " (the share of the sent faces that recognisers shall match)"},
		{"quick_gain", c.QuickGain, 0, 100, " points of score"},
	}
	for _, gate := range c.Gates.apply(image.Point{}, [4]float32{}, Assessment{}) {
		bounds = append(bounds, gate.bound)
	}
	for _, b := range bounds {
		check(b.value >= b.low && b.value <= b.high, b.key, "%g is outside %g..%g%s", b.value, b.low, b.high, b.meaning)
	}
	return errors.Join(faults...)
}

// bound is a number of the configuration with its range, both ends included.
type bound struct {
	key              string // dotted, in section quality
	value, low, high float64
	meaning          string // what follows the range in a message
}
