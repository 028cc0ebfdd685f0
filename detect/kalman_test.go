package detect

import (
	"math"
	"testing"
)

// TestAxisEstimatesVelocity: the velocity of a steady motion is estimated at any step.
func TestAxisEstimatesVelocity(t *testing.T) {
	for _, dt := range []float64{0.04, 0.1, 0.3} {
		a := newAxis(0, 1, 50)
		for now := dt; now < 5; now += dt {
			a.predict(dt, 30)
			a.correct(20*now, 1)
		}
		// The decay makes the estimate a little low.
		if a.velocity < 12 || a.velocity > 21 {
			t.Errorf("step %g: velocity %g instead of about 20", dt, a.velocity)
		}
	}
}

// TestAxisSteps: one long step has the same mean as many short ones, and nearly the same variance.
func TestAxisSteps(t *testing.T) {
	one, many := axis{value: 3, velocity: 10, vv: 1, ss: 4}, axis{value: 3, velocity: 10, vv: 1, ss: 4}
	one.predict(0.5, 2)
	for range 50 {
		many.predict(0.01, 2)
	}
	if math.Abs(one.value-many.value) > 1e-9 || math.Abs(one.velocity-many.velocity) > 1e-9 {
		t.Errorf("%+v and %+v", one, many)
	}
	if math.Abs(one.vv-many.vv) > 0.15*many.vv {
		t.Errorf("variance %g and %g", one.vv, many.vv)
	}
}

// TestAxisDecays: without measurements the prediction comes to rest.
func TestAxisDecays(t *testing.T) {
	a := axis{velocity: 10, vv: 1, ss: 1}
	a.predict(100, 1)
	if math.Abs(a.value-10*velocityDecay) > 1e-6 || math.Abs(a.velocity) > 1e-6 {
		t.Errorf("%+v", a)
	}
}
