package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Version is the schema version of Face, Rejected and State; see the package comment.
const Version = 3

// Face is one face that passed: the payload of <root>/<camera>/face. All coordinates are pixels of the full frame, x to
// the right and y down from its upper left corner; they may lie outside the frame where its edge cuts the face.
type Face struct {
	// Schema is Version, or 2 in a message of an earlier program.
	Schema int `json:"schema"`
	// ID is a UUIDv7 in lower case with hyphens, the same when the event is sent again.
	ID string `json:"id"`
	// Device and Camera are names, see CheckName.
	Device string `json:"device"`
	Camera string `json:"camera"`
	// Visit is the presence of the person. In a message of version 2 it is zero.
	Visit Visit `json:"visit,omitzero" since:"3"`
	// Track is the tracker's number of the track that the face is from, since the start of the program; at most 2^53-1. A
	// visit has one or more.
	Track uint64 `json:"track"`
	// Time is when the frame was captured, UTC.
	Time time.Time `json:"time"`
	// LatencyMS is the time in milliseconds from the capture of the frame until the event was made and handed to the
	// outbox. With policy best it is mainly the wait for the end of the visit. It does not change while the event waits.
	// In a message of version 2 it is NotAssessed.
	LatencyMS int64 `json:"latency_ms" since:"3"`
	// Frame is the size of the full frame.
	Frame Size `json:"frame"`
	// Box and Landmarks are those of the face in the frame.
	Box       Box       `json:"box"`
	Landmarks Landmarks `json:"landmarks"`
	// Transform maps a pixel of the frame to a pixel of Image.
	Transform Transform `json:"transform"`
	Quality   Quality   `json:"quality"`
	// Policy is the rule that selected this face: best, quick, interval or all.
	Policy string `json:"policy"`
	// Replayed is true if the event may be late, or a copy of one that arrived before.
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

// NewBox returns a Box of x, y, width and height.
func NewBox(b [4]float32) Box {
	return Box{X: b[0], Y: b[1], Width: b[2], Height: b[3]}
}

// Point is x, y in pixels of the frame.
type Point [2]float32

// Landmarks are five points of a face. Right and left are the person's own: the right eye is at the left of the image.
type Landmarks struct {
	RightEye   Point `json:"right_eye"`
	LeftEye    Point `json:"left_eye"`
	Nose       Point `json:"nose"`
	RightMouth Point `json:"right_mouth"`
	LeftMouth  Point `json:"left_mouth"`
}

// NewLandmarks returns Landmarks of five points in the order right eye, left eye, nose, right and left mouth corner.
func NewLandmarks(p [5][2]float32) Landmarks {
	return Landmarks{RightEye: p[0], LeftEye: p[1], Nose: p[2], RightMouth: p[3], LeftMouth: p[4]}
}

// Transform is a 2x3 matrix, row by row, that maps (x, y, 1) of the frame to (x, y) of the aligned face. It is the
// argument of OpenCV's warpAffine that cuts the face from the frame.
type Transform [2][3]float64

// NewTransform returns a Transform of six elements in row-major order.
func NewTransform(m [6]float64) Transform {
	return Transform{{m[0], m[1], m[2]}, {m[3], m[4], m[5]}}
}

// Quality predicts how well a recogniser will identify the face. Scores compare only if Model is the same.
type Quality struct {
	// Score is 0..100, higher is better.
	Score float64 `json:"score"`
	// Raw is the network's own output before calibration.
	Raw float64 `json:"raw"`
	// Model names the network and its version.
	Model string `json:"model"`
	// Labels are the parts of Raw; they explain a low score.
	Labels     Labels     `json:"labels"`
	Components Components `json:"components"`
}

// Labels are the outputs of a quality network by name, each 0..1, higher is better: the share of the training images
// that are worse. The built-in network has agreement (the recogniser identifies the same person as on other images),
// robustness (its result is stable), visual (light and sharpness are usual), norm (length of the recogniser's
// embedding) and lightqnet (score of LightQNet, another quality network). Another network may have others, at most 8.
type Labels map[string]float64

// MarshalJSON encodes nil as an empty object.
func (l Labels) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]float64(l))
}

// Components are measures by their names in ISO/IEC 29794-5, each 0..100, higher is better, or NotAssessed. Each message
// has those of ComponentNames; a later program may add others.
type Components map[string]float64

// ComponentNames returns the names of the components in the order of the JSON.
func ComponentNames() []string {
	return []string{
		"Sharpness", "UnderExposurePrevention", "OverExposurePrevention", "InterEyeDistance", "HeadPoseYaw",
		"HeadPosePitch", "HeadPoseRoll",
	}
}

// MarshalJSON writes the components in the order of ComponentNames, and others behind them.
func (c Components) MarshalJSON() ([]byte, error) {
	names := slices.DeleteFunc(ComponentNames(), func(name string) bool { _, ok := c[name]; return !ok })
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	var out bytes.Buffer
	for i, name := range names {
		member, err := json.Marshal(map[string]float64{name: c[name]})
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(member[1 : len(member)-1])
	}
	return fmt.Appendf(nil, "{%s}", out.Bytes()), nil
}

// NotAssessed is the value of a component, a score or a latency that was not measured.
const NotAssessed = -1

// Encodings of an Image.
const (
	JPEG = "jpeg"
	PNG  = "png"
)

// Image is an encoded image. In JSON, Data is base64 (RFC 4648 with padding, no line breaks).
type Image struct {
	// Encoding is JPEG or PNG.
	Encoding string `json:"encoding"`
	// Width and Height are pixels.
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Data   []byte `json:"data"`
}
