package feedback

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"facesieve/models"
)

// An interval that is narrow enough to move a threshold holds the true share in about 95 % of the cases: with the prior
// of the shipped network, for recognisers of any strictness.
func TestNarrowIntervalsHoldTheTrueShare(t *testing.T) {
	embedded, err := models.Embedded("quality")
	if err != nil {
		t.Fatal(err)
	}
	priors := prior(embedded.Manifest)
	random := rand.New(rand.NewPCG(7, 8)) //nolint:gosec // a fixed sequence
	held, all := 0, 0
	for range 1500 {
		w := drawWorld(random)
		matches, others, faces := w.reports(random, 200+random.IntN(1500))
		threshold := 10 + 30*random.Float64()
		s, ok := newCurve(priors, matches, others).share(faces, threshold)
		if !ok || !narrow(s) {
			continue
		}
		all++
		if want := w.share(faces, threshold); s.Low <= want && want <= s.High {
			held++
		}
	}
	share := float64(held) / float64(all)
	t.Logf("%d narrow intervals, %.3f hold the true share", all, share)
	if all < 300 || share < 0.9 {
		t.Errorf("%d narrow intervals, %.3f hold the true share", all, share)
	}
}

// world is a camera and a recogniser.
type world struct{ mean, spread, middle, best float64 }

func drawWorld(random *rand.Rand) world {
	return world{
		mean: 30 + 40*random.Float64(), spread: 8 + 12*random.Float64(), middle: 25 * random.Float64(),
		best: 0.9 + 0.1*random.Float64(),
	}
}

func (w world) probability(score float64) float64 {
	return w.best / (1 + math.Exp(-(score-w.middle)/4))
}

func (w world) reports(random *rand.Rand, n int) (matches, others, faces histogram) {
	for range n {
		score := max(0, min(100, w.mean+w.spread*random.NormFloat64()))
		faces[binOf(score)]++
		if random.Float64() < w.probability(score) {
			matches[binOf(score)]++
		} else {
			others[binOf(score)]++
		}
	}
	return matches, others, faces
}

// share is the true share of the faces from a threshold on that are matched.
func (w world) share(faces histogram, threshold float64) float64 {
	sent := faces.above(threshold)
	var matched float64
	for i, weight := range sent {
		matched += weight * w.probability((float64(i)+0.5)*binWidth)
	}
	return matched / sent.sum()
}

// The goal of a target is what a comparison of all thresholds gives.
func TestGoalEqualsNaiveSearch(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10)) //nolint:gosec // a fixed sequence
	goals := map[string]int{}
	for range 400 {
		matches, others, faces := drawWorld(random).reports(random, 100+random.IntN(3000))
		c := newCurve(histogram{}, matches, others)
		present := 10 + 40*random.Float64()
		goal, ok := target{share: 0.95, min: 10, max: 50}.goal(present, c, faces)
		want, kind := naiveGoal(present, c, faces)
		goals[kind]++
		if ok != (kind != "unknown") || goal != want {
			t.Fatalf("from %v: %v %v, not %v (%s)", present, goal, ok, want, kind)
		}
	}
	if goals["unknown"] < 20 || goals["best"] < 20 || goals["reached"] < 20 {
		t.Errorf("goals: %v", goals)
	}
}

func naiveGoal(present float64, c curve, faces histogram) (goal float64, kind string) {
	var known, reaching []float64 // thresholds with a narrow interval; those of them that reach 0.95
	value := func(threshold float64) float64 { s, _ := c.share(faces, threshold); return s.Value }
	for half := 20; half <= 100; half++ {
		threshold := float64(half) / 2
		if s, ok := c.share(faces, threshold); ok && narrow(s) {
			known = append(known, threshold)
			if s.Value >= 0.95 {
				reaching = append(reaching, threshold)
			}
		}
	}
	if len(known) == 0 {
		return present, "unknown"
	}
	if len(reaching) > 0 {
		goal = reaching[0]
		for goal-grid > present && value(goal-grid) >= 0.95 {
			goal -= grid
		}
		return goal, "reached"
	}
	for _, threshold := range known {
		if threshold >= present && value(threshold) >= value(known[len(known)-1])-leastGain {
			return threshold, "best"
		}
	}
	return present, "best"
}

// Weights that are reduced step by step fall as much as in one step, and never rise.
func TestDecayIsExponential(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12)) //nolint:gosec // a fixed sequence
	for range 100 {
		factor, elapsed := 1.0, time.Duration(0)
		for range 1 + random.IntN(50) {
			step := time.Duration(random.Int64N(int64(48 * time.Hour)))
			factor, elapsed = factor*decay(step), elapsed+step
		}
		if want := math.Pow(0.5, elapsed.Hours()/24/14); math.Abs(factor-want) > 1e-9 {
			t.Fatalf("%v: %v, not %v", elapsed, factor, want)
		}
	}
	if f := decay(-time.Hour); f != 1 {
		t.Errorf("the clock was set back: factor %v", f)
	}
}
