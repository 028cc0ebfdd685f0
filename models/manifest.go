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
	TaskLandmarks = "landmarks" // refines a detected face: finds it, and its landmarks, in the square around it
	TaskQuality   = "quality"   // scores an aligned face
)

// Manifest describes a network: what its file does not contain and the daemon needs. The training tool writes it.
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

	Training   Training      `json:"training"`
	Input      Input         `json:"input"`
	Outputs    []Output      `json:"outputs"`              // in the interpreter's order
	Quality    *QualityHead  `json:"quality,omitempty"`    // of task quality
	Detector   *DetectorHead `json:"detector,omitempty"`   // of tasks detector and landmarks
	Refinement *Refinement   `json:"refinement,omitempty"` // of task landmarks
	SelfTest   SelfTest      `json:"self_test"`

	// Measured holds figures for the model card, with the data that they were measured on. The daemon ignores them.
	Measured map[string]any `json:"measured,omitempty"`
}

// Training identifies the training run of the network.
type Training struct {
	Run      string `json:"run"`
	Commit   string `json:"commit"`
	DataHash string `json:"data_hash"`
	Seed     int64  `json:"seed"`
	Command  string `json:"command"`
}

// Input describes the one input, NHWC int8: stored value = (pixel - Mean) / Std / Scale + ZeroPoint.
type Input struct {
	Width     int     `json:"width"`    // pixels; 0: any multiple of Multiple
	Height    int     `json:"height"`   // pixels; 0: any multiple of Multiple
	Multiple  int     `json:"multiple"` // 0 where width and height are fixed
	Channels  int     `json:"channels"`
	Color     string  `json:"color"` // colour order: "BGR" or "RGB"
	Mean      float64 `json:"mean"`
	Std       float64 `json:"std"`
	Type      string  `json:"type"`
	Scale     float64 `json:"scale"`
	ZeroPoint int     `json:"zero_point"`
}

// Fixed reports whether the input has one size only.
func (in Input) Fixed() bool { return in.Width > 0 }

// Output describes one output: real value = (stored - ZeroPoint) * Scale. A -1 in Shape varies with the input's size.
type Output struct {
	Name      string  `json:"name"`
	Shape     []int   `json:"shape"`
	Type      string  `json:"type"`
	Scale     float64 `json:"scale"`
	ZeroPoint int     `json:"zero_point"`
}

// QualityHead describes how the outputs become one score. Each label is the expectation of its bins under the softmax
// of its output, the raw score is their weighted mean, and Calibration maps it to 0..100.
type QualityHead struct {
	Labels      []Label        `json:"labels"`
	Calibration Calibration    `json:"calibration"`
	FNMR        *FNMR          `json:"fnmr,omitempty"`
	Embedding   *EmbeddingHead `json:"embedding,omitempty"` // of networks that can compare faces
	Pose        *PoseHead      `json:"pose,omitempty"`      // of networks that estimate the pose of the head
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

// FNMR is the expected false-non-match rate of a recogniser, at a false-match rate of FMR, when only faces with at
// least a score are kept, and the share of the faces of the set that is kept. It never rises.
type FNMR struct {
	FMR   float64   `json:"fmr"`
	Set   string    `json:"set"`
	Score []float64 `json:"score"`
	Kept  []float64 `json:"kept"`
	FNMR  []float64 `json:"fnmr"`
	// Pairs is the number of mated pairs of the set, of which about the share Kept[i] remains. 0: not stated.
	Pairs int `json:"pairs,omitempty"`
}

// EmbeddingHead describes the output that is compared between faces. Value i of the embedding is (stored - ZeroPoint of
// the output) * Scale[i], then all values are divided by their Euclidean length. The similarity of two faces is the
// cosine of their embeddings.
type EmbeddingHead struct {
	Output    int       `json:"output"`    // index into Manifest.Outputs
	Dimension int       `json:"dimension"` // number of values
	Scale     []float64 `json:"scale"`     // of each value; replaces the output's scale, which is one for all

	// Thresholds are in rising order of MinScore. Faces that score below the first one cannot be compared.
	Thresholds []SimilarityThresholds `json:"thresholds"`
	Set        string                 `json:"set"` // the faces that the thresholds were measured on
}

// PoseSize is the number of values of the pose.
const PoseSize = 2

// PoseHead describes the output with the pose of the head: yaw and pitch in degrees, with the signs of ISO/IEC
// 29794-5. Yaw is positive when the person looks to the right of the image, pitch when the person looks down.
type PoseHead struct {
	Output int `json:"output"` // index into Manifest.Outputs
}

// SimilarityThresholds are similarities, -1..1, that faces of two people reach at a false-match rate (FMR). They hold
// where the lower score of both faces is at least MinScore, and below the MinScore of the next thresholds.
type SimilarityThresholds struct {
	MinScore float64 `json:"min_score"`
	FMR1e3   float64 `json:"fmr_1e3"`
	FMR1e4   float64 `json:"fmr_1e4"`
}

// DetectorHead lists the outputs of an anchor-free network of task detector or landmarks, one of each kind per stride
// s: maps [1, H/s, W/s, C] with C = 1 (cls, obj: logits), 4 (bbox) and 10 (kps).
type DetectorHead struct {
	// Score and LowScore are the recommended minimum scores, 0..1, of a face that begins a track and of one that
	// continues it. They were chosen in the evaluation of the network: at Score it finds nothing in images without
	// faces. For task landmarks, Score is the minimum score of a face in the square, and LowScore is not used.
	Score    float64 `json:"score"`
	LowScore float64 `json:"low_score"`

	Strides []int `json:"strides"`
	Cls     []int `json:"cls"`
	Obj     []int `json:"obj"`
	BBox    []int `json:"bbox"`
	Kps     []int `json:"kps"`
}

// Refinement describes how a network of task landmarks refines a detected face. The network was trained for these
// values. The size of a face is the square root of its box's area.
type Refinement struct {
	Side      int     `json:"side"`       // width and height of the network's input, pixels
	CropScale float64 `json:"crop_scale"` // side of the square that is cut out around a face, in sizes of the face; 1..4
	MinCrop   int     `json:"min_crop"`   // minimum side of this square, pixels of the frame
	MinIoU    float64 `json:"min_iou"`    // minimum overlap of the found box with the detected one, 0..1: the same face
}

// SelfTest holds the outputs of the network for generated images, see SelfTestImage.
type SelfTest struct {
	Width     int            `json:"width"`
	Height    int            `json:"height"`
	Cases     []SelfTestCase `json:"cases"`
	Tolerance []float64      `json:"tolerance"` // per output, real units
}

// SelfTestCase holds the outputs for one generated image: for each output its real values, row by row.
type SelfTestCase struct {
	Picture int         `json:"picture"` // number of the image
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
		return Manifest{}, errors.New("decode: unexpected data after the manifest's object")
	}
	if err := m.Validate(); err != nil {
		return Manifest{}, err
	}
	return m, nil
}
