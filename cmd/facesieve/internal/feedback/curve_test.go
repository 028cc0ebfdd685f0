package feedback

import (
	"math"
	"math/rand/v2"
	"testing"

	"facesieve/models"
)

// The interval of a block holds the probability that made the reports in about 95 % of the cases.
func TestIntervalsHoldTheTrueProbability(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // a fixed sequence
	held, all := 0, 0
	for range 300 {
		p := 0.5 + 0.5*random.Float64()
		var priors, matches, others histogram
		for i := range priors {
			priors[i] = p
			for range 20 {
				if random.Float64() < p {
					matches[i]++
				} else {
					others[i]++
				}
			}
		}
		for i, point := range newCurve(priors, matches, others).points() {
			if point.Low > point.Probability || point.High < point.Probability {
				t.Fatalf("bin %d: %+v", i, point)
			}
			if i == bins/2 {
				all++
				if point.Low <= p && p <= point.High {
					held++
				}
			}
		}
	}
	if share := float64(held) / float64(all); share < 0.88 {
		t.Errorf("%.3f of the intervals hold the probability", share)
	}
}

func TestBetaIntervalAtItsEnds(t *testing.T) {
	if low, high := betaInterval(0, 10); low != 0 || high <= 0 || high >= 0.5 {
		t.Errorf("no match in 10: %v..%v", low, high)
	}
	if low, high := betaInterval(10, 0); high != 1 || low <= 0.5 || low >= 1 {
		t.Errorf("10 matches in 10: %v..%v", low, high)
	}
	// Quantiles of Beta(8, 4), from scipy.stats.beta.ppf([0.025, 0.975], 8, 4).
	if low, high := betaInterval(8, 4); math.Abs(low-0.3902574) > 1e-6 || math.Abs(high-0.8907366) > 1e-6 {
		t.Errorf("Beta(8, 4): %v..%v", low, high)
	}
}

// Without reports, the curve is that of the network; the shipped one states that low scores are matched less.
func TestPriorOfTheShippedNetwork(t *testing.T) {
	network, err := models.Embedded("quality")
	if err != nil {
		t.Fatal(err)
	}
	p := prior(network.Manifest)
	for i := 1; i < bins; i++ {
		if p[i] < p[i-1] {
			t.Errorf("the prior falls at bin %d: %v", i, p)
		}
	}
	if p[2] > 0.3 || p[45] < 0.9 {
		t.Errorf("score 5: %v, score 91: %v", p[2], p[45])
	}
	var faces histogram
	faces.add(1)
	share, _ := newCurve(p, histogram{}, histogram{}).share(faces, 0)
	// fnmr[0] is that of all faces of the set, evenly distributed below score 50 only: compare the half above.
	above, _ := newCurve(p, histogram{}, histogram{}).share(faces, 50)
	if share.Value >= above.Value || above.Value < 0.9 {
		t.Errorf("share %+v, above 50 %+v", share, above)
	}
	if unstated := prior(models.Manifest{}); unstated[0] != unstatedPrior || unstated[bins-1] != unstatedPrior {
		t.Errorf("without a curve: %v", unstated)
	}
}

func TestShareCountsFacesFromTheThreshold(t *testing.T) {
	var priors, matches, others, faces histogram
	for i := range priors {
		matches[i], others[i] = 0, 1e6
		if i >= 25 {
			matches[i], others[i] = 1e6, 0
		}
	}
	faces[24], faces[25] = 3, 1
	c := newCurve(priors, matches, others)
	for threshold, want := range map[float64]float64{0: 0.25, 48: 0.25, 49: 0.4, 50: 1, 51: 1} {
		if s, ok := c.share(faces, threshold); !ok || math.Abs(s.Value-want) > 1e-4 || s.Low > s.Value || s.High < s.Value {
			t.Errorf("from %v: %+v %v, not %v", threshold, s, ok, want)
		}
	}
	if s, ok := c.share(faces, 52); ok {
		t.Errorf("no face from 52, but the share is %+v", s)
	}
}
