package quality

// NotAssessed is the value of a component that was not or could not be measured.
const NotAssessed = -1

// Components are measures of single properties with the names of ISO/IEC 29794-5, each 0..100, higher is better, or
// NotAssessed. They explain a score; they do not make it. Mapping says how each comes from its raw value.
type Components struct {
	Sharpness               float64
	UnderExposurePrevention float64
	OverExposurePrevention  float64
	InterEyeDistance        float64
	HeadPoseYaw             float64
	HeadPosePitch           float64
	HeadPoseRoll            float64
}

// Measures are the raw values behind Components. Where a component is NotAssessed its measure is 0 and means nothing.
type Measures struct {
	Sharpness     float64 // share of the gradient's energy in the finest detail, 0..1
	UnderExposure float64 // share of the face that is nearly black, 0..1
	OverExposure  float64 // share of the face that is nearly white, 0..1
	EyeDistance   float64 // pixels of the frame, as it would be without yaw
	Yaw           float64 // degrees, positive when the person looks to the own left, the right of the picture
	Pitch         float64 // degrees, positive when the person looks down
	Roll          float64 // degrees, positive when the head leans to the own right shoulder, the left of the picture
	Residual      float64 // how far the aligned landmarks lie from the template, see Transform.Residual; no component
}

// Assessment is what was measured of one face.
type Assessment struct {
	Components Components
	Raw        Measures
	// Bounds are x, y, width and height, in pixels of the frame, of the face from the brows to the chin, as the landmarks
	// tell. They may reach beyond the frame. All 0: not assessed.
	Bounds [4]float32
}

// Unassessed returns the assessment of a face of which nothing has been measured yet.
func Unassessed() Assessment {
	return Assessment{Components: Components{
		NotAssessed, NotAssessed, NotAssessed, NotAssessed, NotAssessed, NotAssessed, NotAssessed,
	}}
}
