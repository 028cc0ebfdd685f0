package quality

import "math"

// Mapping turns a raw value into a component of 0..100: a logistic curve around Centre, stretched so that Best and
// everything beyond gives 100. A negative Width falls with the raw value.
//
//	value = 100 min(1, (1 + exp((Centre-Best)/Width)) / (1 + exp((Centre-raw)/Width)))
//
// The three head poses have no parameters: they are 100 cos²(angle), 0 from 90 degrees on, as in OFIQ.
type Mapping struct {
	Component string  // name of ISO/IEC 29794-5
	Unit      string  // of the raw value
	Best      float64 // raw value from which on nothing is gained
	Centre    float64 // raw value that gives about 50
	Width     float64 // a change of the raw value by Width around Centre changes the component by about 25
}

// Mappings returns the parameters in use, in the order Sharpness, UnderExposurePrevention, OverExposurePrevention,
// InterEyeDistance.
//
// OFIQ's own parameters judge passport photographs: there 35 pixels between the eyes are worth 15 and nine tenths of a
// face must be black before it counts. Ours span what cameras deliver. Sharpness is centred where a recogniser
// (MobileFaceNet on LFW, false matches at 1e-3) begins to fail: a Gaussian blur of 1.5 pixels of the aligned face or 12
// pixels between the eyes, with misses up from 3 % to 6..8 %; at a component of 10 or less it misses more than half.
func Mappings() [4]Mapping {
	return [4]Mapping{
		{Component: "Sharpness", Unit: "share of gradient energy", Best: 0.6, Centre: 0.3, Width: 0.06},
		{Component: "UnderExposurePrevention", Unit: "share of the face", Best: 0, Centre: 0.4, Width: -0.1},
		{Component: "OverExposurePrevention", Unit: "share of the face", Best: 0, Centre: 0.15, Width: -0.04},
		{Component: "InterEyeDistance", Unit: "pixels", Best: 90, Centre: 40, Width: 12},
	}
}

// Value returns the component for a raw value.
func (m Mapping) Value(raw float64) float64 {
	curve := func(v float64) float64 { return 1 / (1 + math.Exp((m.Centre-v)/m.Width)) }
	return 100 * math.Min(1, curve(raw)/curve(m.Best))
}

// poseValue returns the component for an angle in degrees.
func poseValue(angle float64) float64 {
	cosine := math.Max(0, math.Cos(angle*math.Pi/180))
	return 100 * cosine * cosine
}
