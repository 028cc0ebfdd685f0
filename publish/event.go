package publish

import (
	"encoding/json"
	"time"
)

// SchemaVersion is the version of the JSON forms of Event, Rejected and State. It rises when a reader would break.
const SchemaVersion = 2

// Event is one face that passed: the payload of <root>/<camera>/face. All coordinates are pixels of the full frame, x to
// the right and y down from its upper left corner; they may lie outside the frame where a face is cut by its edge.
type Event struct {
	// Schema is SchemaVersion.
	Schema int `json:"schema"`
	// ID is a UUIDv7 in its lower-case form with hyphens, the same when the event is sent again.
	ID string `json:"id"`
	// Device and Camera say where the face was seen.
	Device string `json:"device"`
	Camera string `json:"camera"`
	// Track numbers the visit of one person before one camera since the start of the program; at most 2^53-1.
	Track uint64 `json:"track"`
	// Time is when the frame was captured, UTC.
	Time time.Time `json:"time"`
	// Frame is the size of the full frame.
	Frame Size `json:"frame"`
	Box   Box  `json:"box"`
	// Landmarks are the five points found in the frame.
	Landmarks Landmarks `json:"landmarks"`
	// Transform maps a pixel of the frame to a pixel of Image.
	Transform Transform `json:"transform"`
	Quality   Quality   `json:"quality"`
	// Policy is the rule that chose this face: best, quick, interval or all.
	Policy string `json:"policy"`
	// Replayed is true when the event may be late or a copy of one that arrived before; see the package comment.
	Replayed bool `json:"replayed"`
	// Image is the aligned face.
	Image Image `json:"image"`
}

// Size is a width and a height in pixels.
type Size struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// Box is a rectangle by its upper left corner and its size, in pixels of the frame.
type Box struct {
	X      float32 `json:"x"`
	Y      float32 `json:"y"`
	Width  float32 `json:"width"`
	Height float32 `json:"height"`
}

// NewBox makes a Box of x, y, width, height.
func NewBox(b [4]float32) Box {
	return Box{X: b[0], Y: b[1], Width: b[2], Height: b[3]}
}

// Point is x, y in pixels of the frame.
type Point [2]float32

// Landmarks are named from the person's own point of view: the right eye is the one at the left of the picture.
type Landmarks struct {
	RightEye   Point `json:"right_eye"`
	LeftEye    Point `json:"left_eye"`
	Nose       Point `json:"nose"`
	RightMouth Point `json:"right_mouth"`
	LeftMouth  Point `json:"left_mouth"`
}

// NewLandmarks makes Landmarks of five points in the order right eye, left eye, nose, right and left mouth corner.
func NewLandmarks(p [5][2]float32) Landmarks {
	return Landmarks{RightEye: p[0], LeftEye: p[1], Nose: p[2], RightMouth: p[3], LeftMouth: p[4]}
}

// Transform is a 2x3 matrix, row by row, that maps (x, y, 1) of the frame to (x, y) of the aligned face; it is the
// matrix with which OpenCV's warpAffine cuts the face from the frame.
type Transform [2][3]float64

// NewTransform makes a Transform of its six elements in row-major order.
func NewTransform(m [6]float64) Transform {
	return Transform{{m[0], m[1], m[2]}, {m[3], m[4], m[5]}}
}

// Quality says how well a recogniser will do with the face. Scores compare only when Model is the same.
type Quality struct {
	// Score is 0..100, higher is better.
	Score float64 `json:"score"`
	// Raw is the network's own output before calibration.
	Raw float64 `json:"raw"`
	// Model names the network and its version.
	Model string `json:"model"`
	// Labels are what Raw is made of, and say why a score is low.
	Labels     Labels     `json:"labels"`
	Components Components `json:"components"`
}

// Labels are a network's own judgements by name, each 0..1, higher is better: the share of the pictures it learnt from that
// are worse. Those of the built-in network: agreement (the recogniser takes the face for the same person as on other
// pictures), robustness (it is sure of what it sees), visual (light and sharpness are as on other pictures), norm (how
// strongly it responds at all), lightqnet (what LightQNet, another quality network, says). Another network may have others,
// at most 8.
type Labels map[string]float64

// MarshalJSON writes no labels as an empty object.
func (l Labels) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]float64(l))
}

// Components are measures named as in ISO/IEC 29794-5, each 0..100, higher is better, or NotAssessed.
type Components struct {
	Sharpness               float64 `json:"Sharpness"`
	UnderExposurePrevention float64 `json:"UnderExposurePrevention"`
	OverExposurePrevention  float64 `json:"OverExposurePrevention"`
	InterEyeDistance        float64 `json:"InterEyeDistance"`
	HeadPoseYaw             float64 `json:"HeadPoseYaw"`
	HeadPosePitch           float64 `json:"HeadPosePitch"`
	HeadPoseRoll            float64 `json:"HeadPoseRoll"`
}

// NotAssessed is the value of a measure that was not taken.
const NotAssessed = -1

// Encodings of Image.
const (
	JPEG = "jpeg"
	PNG  = "png"
)

// Image is an encoded picture; in JSON its bytes are base64 (RFC 4648 with padding, no line breaks).
type Image struct {
	// Encoding is JPEG or PNG.
	Encoding string `json:"encoding"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Data     []byte `json:"data"`
}
