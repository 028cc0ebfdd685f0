package models

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Tasks of a network.
const (
	TaskDetector  = "detector"  // finds faces in a frame
	TaskLandmarks = "landmarks" // looks at a face again, in the square around it: is it one, and where are its landmarks
	TaskQuality   = "quality"   // scores an aligned face
)

// Manifest says everything about a network that its file does not. The training tool writes it, nobody by hand.
type Manifest struct {
	Schema      int    `json:"schema"` // version of this format: 1
	Name        string `json:"name"`
	Version     string `json:"version"`
	Task        string `json:"task"` // one of the tasks above
	File        string `json:"file"` // base name of the .tflite file
	SHA256      string `json:"sha256"`
	Description string `json:"description"`
	License     string `json:"license"` // terms of use of the network, not of the code
	TrainedOn   string `json:"trained_on"`

	Training Training      `json:"training"`
	Input    Input         `json:"input"`
	Outputs  []Output      `json:"outputs"` // in the interpreter's order
	Quality  *QualityHead  `json:"quality,omitempty"`
	Detector *DetectorHead `json:"detector,omitempty"`
	SelfTest SelfTest      `json:"self_test"`

	// Measured holds figures for people and for the model card, with the set they were measured on.
	Measured map[string]any `json:"measured,omitempty"`
}

// Training says which run made the network.
type Training struct {
	Run      string `json:"run"`
	Commit   string `json:"commit"`
	DataHash string `json:"data_hash"`
	Seed     int64  `json:"seed"`
	Command  string `json:"command"`
}

// Input describes the one input, NHWC int8. A pixel p becomes (p-Mean)/Std, stored as that divided by Scale plus ZeroPoint.
type Input struct {
	Width     int     `json:"width"`    // pixels; 0: any multiple of Multiple
	Height    int     `json:"height"`   // pixels; 0: any multiple of Multiple
	Multiple  int     `json:"multiple"` // 0 where width and height are fixed
	Channels  int     `json:"channels"`
	Color     string  `json:"color"` // order the network wants: "BGR" or "RGB"
	Mean      float64 `json:"mean"`
	Std       float64 `json:"std"`
	Type      string  `json:"type"`
	Scale     float64 `json:"scale"`
	ZeroPoint int     `json:"zero_point"`
}

// Fixed tells whether the network takes pictures of one size only.
func (in Input) Fixed() bool { return in.Width > 0 }

// Output describes one output: real value = (stored - ZeroPoint) * Scale. A -1 in Shape varies with the input's size.
type Output struct {
	Name      string  `json:"name"`
	Shape     []int   `json:"shape"`
	Type      string  `json:"type"`
	Scale     float64 `json:"scale"`
	ZeroPoint int     `json:"zero_point"`
}

// QualityHead says how the outputs become one score: each label is the expectation of its bins under the softmax of its
// output, raw is their weighted mean, and Calibration maps raw to 0..100.
type QualityHead struct {
	Labels      []Label     `json:"labels"`
	Calibration Calibration `json:"calibration"`
	FNMR        *FNMR       `json:"fnmr,omitempty"`
}

// Label is one distribution that the quality network predicts.
type Label struct {
	Name   string    `json:"name"`
	Output int       `json:"output"` // index into Manifest.Outputs
	Bins   []float64 `json:"bins"`   // centres, as many as the output has values
	Weight float64   `json:"weight"`
}

// Calibration is a piecewise linear, increasing map, constant beyond its ends.
type Calibration struct {
	Raw   []float64 `json:"raw"`
	Score []float64 `json:"score"` // 0..100
}

// FNMR is the false-non-match rate to expect, at a false-match rate of FMR, when only faces of at least a score are kept,
// and which share of the faces of the set that is.
type FNMR struct {
	FMR   float64   `json:"fmr"`
	Set   string    `json:"set"`
	Score []float64 `json:"score"`
	Kept  []float64 `json:"kept"`
	FNMR  []float64 `json:"fnmr"`
}

// DetectorHead names the outputs of an anchor-free network for task detector or landmarks, one of each kind for every stride:
// maps [1, H/s, W/s, C] with C = 1 (cls, obj: logits), 4 (bbox) and 10 (kps).
type DetectorHead struct {
	// For task detector, Score is what a face should need to begin a track, LowScore what should be enough to continue one; 0..1.
	// They were chosen where the network was measured: at Score it finds nothing where nobody is. For task landmarks, Score is
	// what a face must have in the square to be the one looked at, and LowScore is not looked at.
	Score    float64 `json:"score"`
	LowScore float64 `json:"low_score"`

	Strides []int `json:"strides"`
	Cls     []int `json:"cls"`
	Obj     []int `json:"obj"`
	BBox    []int `json:"bbox"`
	Kps     []int `json:"kps"`
}

// SelfTest holds what the network answers to generated pictures, see Picture.
type SelfTest struct {
	Width     int            `json:"width"`
	Height    int            `json:"height"`
	Cases     []SelfTestCase `json:"cases"`
	Tolerance []float64      `json:"tolerance"` // per output, real units
}

// SelfTestCase is the answer to one generated picture: for each output its real values, row by row.
type SelfTestCase struct {
	Picture int         `json:"picture"`
	Outputs [][]float64 `json:"outputs"`
}

// ParseManifest decodes and validates a manifest. Unknown keys and anything after the object are errors.
func ParseManifest(data []byte) (Manifest, error) {
	var m Manifest
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("decode: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Manifest{}, errors.New("decode: something follows the manifest's object")
	}
	if err := m.Validate(); err != nil {
		return Manifest{}, err
	}
	return m, nil
}
