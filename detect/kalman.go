package detect

import "math"

// axis is a Kalman filter of one coordinate and its velocity. The velocity fades with time constant fade, so that a face out
// of sight is not expected to move on for ever; steps may have any length.
type axis struct {
	value, velocity float64
	vv, vs, ss      float64 // covariance: value-value, value-velocity, velocity-velocity
}

// fade is the time constant of a velocity, seconds.
const fade = 1.0

// newAxis begins at a measured value with nothing known of the velocity but its deviation.
func newAxis(value, noise, speed float64) axis {
	return axis{value: value, vv: noise * noise, ss: speed * speed}
}

// predict moves on by dt seconds; push is the deviation of the velocity's change in a second.
func (a *axis) predict(dt, push float64) {
	keep := math.Exp(-dt / fade)
	reach := fade * (1 - keep)
	a.value += reach * a.velocity
	a.velocity *= keep
	a.vv += 2*reach*a.vs + reach*reach*a.ss
	a.vs = keep * (a.vs + reach*a.ss)
	a.ss *= keep * keep
	// White noise on the velocity, integrated over the step.
	q := push * push
	a.vv += q * dt * dt * dt / 3
	a.vs += q * dt * dt / 2
	a.ss += q * dt
}

// innovate returns the difference to a measurement and its variance.
func (a *axis) innovate(measured, noise float64) (difference, variance float64) {
	return measured - a.value, a.vv + noise*noise
}

// correct takes a measurement in.
func (a *axis) correct(measured, noise float64) {
	difference, variance := a.innovate(measured, noise)
	gain, gainSpeed := a.vv/variance, a.vs/variance
	a.value += gain * difference
	a.velocity += gainSpeed * difference
	a.ss -= gainSpeed * a.vs
	a.vs -= gain * a.vs
	a.vv -= gain * a.vv
}
