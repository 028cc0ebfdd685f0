package models

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestManifestFaults makes one field wrong at a time; the error must name it.
func TestManifestFaults(t *testing.T) {
	for name, changes := range map[string]map[string]func(m *Manifest){
		"quality": {
			"name: is empty":                       func(m *Manifest) { m.Name = "" },
			"version: is empty":                    func(m *Manifest) { m.Version = "" },
			`sha256: "ab" is not a SHA-256`:        func(m *Manifest) { m.SHA256 = "ab" },
			"either width and height, or multiple": func(m *Manifest) { m.Input.Height = 0 },
			"larger than 4096 pixels":              func(m *Manifest) { m.Input.Width = 1 << 20 },
			"input.channels: 1":                    func(m *Manifest) { m.Input.Channels = 1 },
			`input.color: "GRAY"`:                  func(m *Manifest) { m.Input.Color = "GRAY" },
			"input.std: 0 is not positive":         func(m *Manifest) { m.Input.Std = 0 },
			`input.type: "float32"`:                func(m *Manifest) { m.Input.Type = "float32" },
			"input.scale: -1":                      func(m *Manifest) { m.Input.Scale = -1 },
			"input.zero_point: 128":                func(m *Manifest) { m.Input.ZeroPoint = 128 },
			"outputs[1].shape: [2 4]":              func(m *Manifest) { m.Outputs[1].Shape = []int{2, 4} },
			"outputs[0].shape: [1 0]: 0 is not a":  func(m *Manifest) { m.Outputs[0].Shape = []int{1, 0} },
			"outputs: there is none":               func(m *Manifest) { m.Outputs = nil },
			"quality: is missing":                  func(m *Manifest) { m.Quality = nil },
			"detector: does not belong":            func(m *Manifest) { m.Detector = &DetectorHead{} },
			"quality.labels: there is none":        func(m *Manifest) { m.Quality.Labels = nil },
			"quality.labels[0].bins: 3 centres":    func(m *Manifest) { m.Quality.Labels[0].Bins = []float64{1, 2, 3} },
			"quality.labels[1].output: 7":          func(m *Manifest) { m.Quality.Labels[1].Output = 7 },
			"quality.labels[1].name: is empty":     func(m *Manifest) { m.Quality.Labels[1].Name = "" },
			"quality.labels[0].weight: -1":         func(m *Manifest) { m.Quality.Labels[0].Weight = -1 },
			"quality.calibration: 2 raw values":    func(m *Manifest) { m.Quality.Calibration.Raw = []float64{0, 1} },
			"quality.calibration.raw: does not":    func(m *Manifest) { m.Quality.Calibration.Raw = []float64{0, 0, 1} },
			"quality.calibration.score: does not":  func(m *Manifest) { m.Quality.Calibration.Score = []float64{0, 40, 101} },
			"quality.fnmr.fmr: 0 is outside":       func(m *Manifest) { m.Quality.FNMR = &FNMR{} },
			"self_test.cases: there is none":       func(m *Manifest) { m.SelfTest.Cases = nil },
			"self_test.tolerance: 1 values for 2":  func(m *Manifest) { m.SelfTest.Tolerance = []float64{1} },
			"self_test: 8x16 pixels, the network":  func(m *Manifest) { m.SelfTest.Width = 8 },
			"self_test.cases[1].outputs: 0 for 2":  func(m *Manifest) { m.SelfTest.Cases[1].Outputs = nil },
			"self_test.cases[0].picture: -1":       func(m *Manifest) { m.SelfTest.Cases[0].Picture = -1 },
			"input.width: task quality needs": func(m *Manifest) {
				m.Input.Width, m.Input.Height, m.Input.Multiple = 0, 0, 16
			},

			`file: "../quality.tflite" is not a plain`: func(m *Manifest) {
				m.File = "../quality.tflite"
			},
			`task: "age" is none of "detector", "landmarks"`: func(m *Manifest) {
				m.Task = "age"
			},
			"quality.fnmr.pairs: -1 is negative": func(m *Manifest) { m.Quality.FNMR = &FNMR{Pairs: -1} },
			"quality.fnmr: 1 scores, 0 rates, 0 shares kept": func(m *Manifest) {
				m.Quality.FNMR = &FNMR{FMR: 1e-3, Score: []float64{0}}
			},
		},
		"detector": {
			"detector: is missing":                  func(m *Manifest) { m.Detector = nil },
			"quality: does not belong":              func(m *Manifest) { m.Quality = &QualityHead{} },
			"detector.strides: [8 8 32]":            func(m *Manifest) { m.Detector.Strides[1] = 8 },
			"detector.strides: 24 does not divide":  func(m *Manifest) { m.Detector.Strides[1] = 24 },
			"detector.cls: output 99, there are 12": func(m *Manifest) { m.Detector.Cls[2] = 99 },
			"is used twice":                         func(m *Manifest) { m.Detector.Cls[2] = m.Detector.Cls[1] },
			"detector.kps: 2 outputs for 3 strides": func(m *Manifest) { m.Detector.Kps = m.Detector.Kps[:2] },
			"not [1 H W 4]": func(m *Manifest) {
				m.Detector.BBox, m.Detector.Kps = m.Detector.Kps, m.Detector.BBox
			},
			"does not belong to task landmarks": func(m *Manifest) { m.Task, m.Quality = TaskLandmarks, &QualityHead{} },
			"detector.kps: 1 outputs for 3 strides": func(m *Manifest) {
				m.Task, m.Detector.Kps = TaskLandmarks, m.Detector.Kps[:1]
			},

			"detector.score: is missing, with low_score": func(m *Manifest) {
				m.Detector.Score, m.Detector.LowScore = 0, 0
			},
			"detector.score: 1 is not between 0 and 1": func(m *Manifest) {
				m.Detector.Score = 1
			},
			"detector.low_score: 0.8 is not between 0 and": func(m *Manifest) {
				m.Detector.LowScore = 0.8
			},
			"self_test: 65x64 pixels, the network ta": func(m *Manifest) {
				m.SelfTest.Width = 65
			},
			"detector: is missing, task landmarks needs it": func(m *Manifest) {
				m.Task, m.Detector = TaskLandmarks, nil
			},
			"refinement: is missing, task landmarks needs it": func(m *Manifest) {
				m.Task = TaskLandmarks
			},
			"refinement: does not belong to task detector": func(m *Manifest) {
				m.Refinement = &Refinement{}
			},
		},
		"../landmarks": {
			"refinement.side: 90x90 pixels, the network takes": func(m *Manifest) {
				m.Refinement.Side = 90
			},
			"refinement.crop_scale: 0.9 is outside 1..4": func(m *Manifest) {
				m.Refinement.CropScale = 0.9
			},
			"refinement.crop_scale: NaN is outside 1..4": func(m *Manifest) {
				m.Refinement.CropScale = math.NaN()
			},
			"refinement.min_crop: 0 is outside 1..4096": func(m *Manifest) {
				m.Refinement.MinCrop = 0
			},
			"refinement.min_iou: 1 is not between 0 and 1": func(m *Manifest) {
				m.Refinement.MinIoU = 1
			},
			"refinement: does not belong to task quality": func(m *Manifest) {
				m.Task = TaskQuality
			},
		},
		"../quality": {
			"quality.embedding.output: 7, there are 7 outputs": func(m *Manifest) {
				m.Quality.Embedding.Output = 7
			},
			"quality.embedding.output: 2 is that of label agreement": func(m *Manifest) {
				m.Quality.Embedding.Output = 2
			},
			"quality.embedding.dimension: 64, output 5 has 128 values": func(m *Manifest) {
				m.Quality.Embedding.Dimension = 64
			},
			"quality.embedding.scale: 127 values for a dimension of 128": func(m *Manifest) {
				m.Quality.Embedding.Scale = m.Quality.Embedding.Scale[1:]
			},
			"quality.embedding.scale[3]: 0 is not positive": func(m *Manifest) {
				m.Quality.Embedding.Scale[3] = 0
			},
			"quality.embedding.scale[127]: NaN is not positive": func(m *Manifest) {
				m.Quality.Embedding.Scale[127] = math.NaN()
			},
			"quality.embedding.scale[0]: +Inf is not positive": func(m *Manifest) {
				m.Quality.Embedding.Scale[0] = math.Inf(1)
			},
			"quality.embedding.thresholds: there is none": func(m *Manifest) {
				m.Quality.Embedding.Thresholds = nil
			},
			"quality.embedding.thresholds[0].min_score: -1 is outside 0..100": func(m *Manifest) {
				m.Quality.Embedding.Thresholds[0].MinScore = -1
			},
			"quality.embedding.thresholds[1].min_score: 25 is not above that of thresholds[0]": func(m *Manifest) {
				m.Quality.Embedding.Thresholds[0].MinScore = 25
				m.Quality.Embedding.Thresholds[1].MinScore = 25
			},
			"quality.embedding.thresholds[0].fmr_1e3: 1 is not between -1 and 1": func(m *Manifest) {
				m.Quality.Embedding.Thresholds[0].FMR1e3 = 1
			},
			"quality.embedding.thresholds[1].fmr_1e4: 0.1 is not between fmr_1e3 (0.2) and 1": func(m *Manifest) {
				m.Quality.Embedding.Thresholds[1].FMR1e3, m.Quality.Embedding.Thresholds[1].FMR1e4 = 0.2, 0.1
			},
			"quality.pose.output: 7, there are 7 outputs": func(m *Manifest) {
				m.Quality.Pose.Output = 7
			},
			"quality.pose.output: 1 is that of label robustness": func(m *Manifest) {
				m.Quality.Pose.Output = 1
			},
			"quality.pose.output: 5 is that of the embedding": func(m *Manifest) {
				m.Quality.Pose.Output = 5
			},
			"quality.pose.output: 5 has 128 values, not 2": func(m *Manifest) {
				m.Quality.Pose.Output = 5
			},
		},
	} {
		for want, change := range changes {
			m := edited(t, name, change).Manifest
			if err := m.Validate(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: want %q, got %v", name, want, err)
			}
		}
	}
}

// TestManifestAllFaults: the error of an empty manifest names every missing field.
func TestManifestAllFaults(t *testing.T) {
	err := (&Manifest{}).Validate()
	if err == nil {
		t.Fatal("an empty manifest is valid")
	}
	for _, key := range []string{"schema", "name", "version", "task", "file", "sha256", "input", "outputs", "self_test"} {
		if !strings.Contains(err.Error(), "\n"+key) && !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%s is not named in %v", key, err)
		}
	}
}

// FuzzParseManifest: any bytes give an error or a valid manifest, never a panic.
func FuzzParseManifest(f *testing.F) {
	for _, name := range []string{"quality", "detector", "../quality"} {
		text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"schema":1,"detector":{"strides":[0]},"input":{"multiple":32}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseManifest(text)
		if err != nil {
			return
		}
		newPixels(m.Input)
		if m.Detector != nil {
			for k, out := range m.Outputs {
				m.Detector.shape(k, out.Shape, 64, 64)
			}
		}
	})
}
