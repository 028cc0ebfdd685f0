package detect

import (
	"math"
	"time"
)

// The motion model of a track. All lengths are relative to the size of the face.
const (
	placeNoise    = 0.10 // deviation of a measured centre, face sizes
	sizeNoise     = 0.12 // deviation of the log of a measured size
	placeSpeed    = 1.5  // deviation of the speed of a new face, face sizes a second
	sizeSpeed     = 0.5  // the same for the log of the size
	placePush     = 5.0  // deviation of the change of that speed in a second
	sizePush      = 1.2
	maxJump       = 3.0 // maximum distance from the prediction, face sizes
	velocityDecay = 1.0 // time constant of a velocity, seconds
)

// tracked is a track with its motion model.
type tracked struct {
	Track
	x, y, size axis // centre in pixels, log of the size in pixels
	misses     int  // frames without the face since the last one with it
}

// measure returns the centre of a face and the log of its size, the geometric mean of width and height.
func measure(f *Face) (x, y, size float64) {
	w, h := float64(f.Box[2]), float64(f.Box[3])
	return float64(f.Box[0]) + w/2, float64(f.Box[1]) + h/2, math.Log(math.Sqrt(w * h))
}

func newTracked(at time.Time, face detection) *tracked {
	x, y, size := measure(&face.Face)
	pixels := math.Exp(size)
	return &tracked{
		Track: Track{Face: face.Face, Index: face.index, Start: at, Last: at, Hits: 1},
		x:     newAxis(x, placeNoise*pixels, placeSpeed*pixels),
		y:     newAxis(y, placeNoise*pixels, placeSpeed*pixels),
		size:  newAxis(size, sizeNoise, sizeSpeed),
	}
}

// box returns the box of the last face, moved and scaled to the state of the motion model.
func (tr *tracked) box() [4]float32 {
	_, _, size := measure(&tr.Face)
	scale := math.Exp(tr.size.value - size)
	w, h := float64(tr.Face.Box[2])*scale, float64(tr.Face.Box[3])*scale
	return [4]float32{float32(tr.x.value - w/2), float32(tr.y.value - h/2), float32(w), float32(h)}
}

func (tr *tracked) predict(dt float64) {
	push := placePush * math.Exp(tr.size.value)
	tr.x.predict(dt, push)
	tr.y.predict(dt, push)
	tr.size.predict(dt, sizePush)
	tr.misses++
}

// update corrects the track with its face in this frame.
func (tr *tracked) update(at time.Time, face detection) {
	x, y, size := measure(&face.Face)
	noise := placeNoise * math.Exp(size)
	tr.x.correct(x, noise)
	tr.y.correct(y, noise)
	tr.size.correct(size, sizeNoise)
	tr.Face, tr.Index, tr.Last, tr.misses = face.Face, face.index, at, 0
	tr.Hits++
}

// cost returns the cost of assigning a face to the track; infinity if it cannot be the same face.
func (tr *tracked) cost(face *Face, gate float64) float64 {
	x, y, size := measure(face)
	pixels := math.Exp(max(size, tr.size.value))
	dx, vx := tr.x.innovate(x, placeNoise*pixels)
	dy, vy := tr.y.innovate(y, placeNoise*pixels)
	ds, vs := tr.size.innovate(size, sizeNoise)
	distance := dx*dx/vx + dy*dy/vy + ds*ds/vs
	if distance > gate || math.Hypot(dx, dy) > maxJump*pixels {
		return math.Inf(1)
	}
	return distance + math.Log(vx*vy*vs/(pixels*pixels*pixels*pixels))
}

// axis is a Kalman filter of one coordinate and its velocity. The velocity decays with the time constant velocityDecay,
// so that the prediction for a hidden face comes to rest. Steps may have any length.
type axis struct {
	value, velocity float64
	vv, vs, ss      float64 // covariance: value-value, value-velocity, velocity-velocity
}

// newAxis returns a filter with a measured value and an unknown velocity, of which only the deviation is known.
func newAxis(value, noise, speed float64) axis {
	return axis{value: value, vv: noise * noise, ss: speed * speed}
}

// predict advances the filter by dt seconds; push is the deviation of the velocity's change in a second.
func (a *axis) predict(dt, push float64) {
	keep := math.Exp(-dt / velocityDecay)
	reach := velocityDecay * (1 - keep)
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

// innovate returns the difference of a measurement from the prediction, and its variance.
func (a *axis) innovate(measured, noise float64) (difference, variance float64) {
	return measured - a.value, a.vv + noise*noise
}

// correct updates the filter with a measurement.
func (a *axis) correct(measured, noise float64) {
	difference, variance := a.innovate(measured, noise)
	gain, gainSpeed := a.vv/variance, a.vs/variance
	a.value += gain * difference
	a.velocity += gainSpeed * difference
	a.ss -= gainSpeed * a.vs
	a.vs -= gain * a.vs
	a.vv -= gain * a.vv
}
