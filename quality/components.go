package quality

import "math"

// NotAssessed is the value of a component that was not or could not be measured.
const NotAssessed = -1

// Component is one property of a face, named as in ISO/IEC 29794-5. Its native measure is mapped to 0..100, higher is
// better. Components explain a score; the score is not computed from them.
type Component struct {
	Name string
	Unit string // of the native measure
	Doc  string // one sentence: what is measured, and the sign or range where the unit does not imply it

	mapping mapping
	// Exactly one of these functions is set. It returns the native measure.
	fromLandmarks func(geometry) float64
	fromPixels    func(*pixels) float64
}

// Components returns every component, in the order of Assessment.Components. A new component is a file of its own and a
// line here.
func Components() []Component {
	return []Component{
		sharpness(),
		underExposurePrevention(),
		overExposurePrevention(),
		interEyeDistance(),
		headPoseYaw(),
		headPosePitch(),
		headPoseRoll(),
	}
}

// mapping turns a native measure into the value of a component, 0..100.
type mapping interface{ value(native float64) float64 }

// logistic is a logistic curve around centre, scaled so that best and everything beyond it gives 100:
//
//	value = 100 min(1, (1 + exp((centre-best)/width)) / (1 + exp((centre-native)/width)))
//
// OFIQ, the reference implementation of ISO/IEC 29794-5, has other parameters, because it assesses passport
// photographs: 35 pixels between the eyes give 15, and nine tenths of a face must be black before exposure counts. The
// parameters here span what surveillance cameras deliver.
type logistic struct {
	best   float64 // native measure from which on the value is 100
	centre float64 // native measure that gives about 50
	width  float64 // a change by width around centre changes the value by about 25; negative: more is worse
}

func (l logistic) value(native float64) float64 {
	curve := func(v float64) float64 { return 1 / (1 + math.Exp((l.centre-v)/l.width)) }
	return 100 * math.Min(1, curve(native)/curve(l.best))
}

// cosineSquared maps an angle in degrees to 100 cos², and to 0 from 90 degrees on, as in OFIQ.
type cosineSquared struct{}

func (cosineSquared) value(angle float64) float64 {
	cosine := math.Max(0, math.Cos(angle*math.Pi/180))
	return 100 * cosine * cosine
}
