package detect

import (
	"math"
	"testing"
)

// TestAxisFollows: a steady motion is learned, whatever the steps, and the prediction is right.
func TestAxisFollows(t *testing.T) {
	for _, dt := range []float64{0.04, 0.1, 0.3} {
		a := newAxis(0, 1, 50)
		for now := dt; now < 5; now += dt {
			a.predict(dt, 30)
			a.correct(20*now, 1)
		}
		// The fading velocity lags a little behind a steady one.
		if a.velocity < 12 || a.velocity > 21 {
			t.Errorf("step %g: velocity %g instead of about 20", dt, a.velocity)
		}
	}
}

// TestAxisSteps: one long step is the same as many short ones for the mean and, nearly, for the deviation.
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

// TestAxisFades: out of sight a face does not fly away.
func TestAxisFades(t *testing.T) {
	a := axis{velocity: 10, vv: 1, ss: 1}
	a.predict(100, 1)
	if math.Abs(a.value-10*velocityDecay) > 1e-6 || math.Abs(a.velocity) > 1e-6 {
		t.Errorf("%+v", a)
	}
}
