package models

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestManifestFaults breaks one thing at a time and wants it named.
func TestManifestFaults(t *testing.T) {
	for want, test := range map[string]struct {
		name   string
		change func(m *Manifest)
	}{
		"name: is empty":                                 {"quality", func(m *Manifest) { m.Name = "" }},
		"version: is empty":                              {"quality", func(m *Manifest) { m.Version = "" }},
		`file: "../quality.tflite" is no plain`:          {"quality", func(m *Manifest) { m.File = "../quality.tflite" }},
		`sha256: "ab" is no SHA-256`:                     {"quality", func(m *Manifest) { m.SHA256 = "ab" }},
		"either width and height, or multiple":           {"quality", func(m *Manifest) { m.Input.Height = 0 }},
		"larger than 4096 pixels":                        {"quality", func(m *Manifest) { m.Input.Width = 1 << 20 }},
		"input.channels: 1":                              {"quality", func(m *Manifest) { m.Input.Channels = 1 }},
		`input.color: "GRAY"`:                            {"quality", func(m *Manifest) { m.Input.Color = "GRAY" }},
		"input.std: 0 is not positive":                   {"quality", func(m *Manifest) { m.Input.Std = 0 }},
		`input.type: "float32"`:                          {"quality", func(m *Manifest) { m.Input.Type = "float32" }},
		"input.scale: -1":                                {"quality", func(m *Manifest) { m.Input.Scale = -1 }},
		"input.zero_point: 128":                          {"quality", func(m *Manifest) { m.Input.ZeroPoint = 128 }},
		"outputs[1].shape: [2 4]":                        {"quality", func(m *Manifest) { m.Outputs[1].Shape = []int{2, 4} }},
		"outputs[0].shape: [1 0]: 0 is no":               {"quality", func(m *Manifest) { m.Outputs[0].Shape = []int{1, 0} }},
		"outputs: there is none":                         {"quality", func(m *Manifest) { m.Outputs = nil }},
		`task: "age" is none of "detector", "landmarks"`: {"quality", func(m *Manifest) { m.Task = "age" }},
		"quality: is missing":                            {"quality", func(m *Manifest) { m.Quality = nil }},
		"detector: does not belong":                      {"quality", func(m *Manifest) { m.Detector = &DetectorHead{} }},
		"quality.labels: there is none":                  {"quality", func(m *Manifest) { m.Quality.Labels = nil }},
		"quality.labels[0].bins: 3 centres":              {"quality", func(m *Manifest) { m.Quality.Labels[0].Bins = []float64{1, 2, 3} }},
		"quality.labels[1].output: 7":                    {"quality", func(m *Manifest) { m.Quality.Labels[1].Output = 7 }},
		"quality.labels[1].name: is empty":               {"quality", func(m *Manifest) { m.Quality.Labels[1].Name = "" }},
		"quality.labels[0].weight: -1":                   {"quality", func(m *Manifest) { m.Quality.Labels[0].Weight = -1 }},
		"quality.calibration: 2 raw values":              {"quality", func(m *Manifest) { m.Quality.Calibration.Raw = []float64{0, 1} }},
		"quality.calibration.raw: does not":              {"quality", func(m *Manifest) { m.Quality.Calibration.Raw = []float64{0, 0, 1} }},
		"quality.calibration.score: does not":            {"quality", func(m *Manifest) { m.Quality.Calibration.Score = []float64{0, 40, 101} }},
		"quality.fnmr.fmr: 0 is outside":                 {"quality", func(m *Manifest) { m.Quality.FNMR = &FNMR{} }},
		"quality.fnmr: 1 scores, 0 rates, 0 shares kept": {"quality", func(m *Manifest) { m.Quality.FNMR = &FNMR{FMR: 1e-3, Score: []float64{0}} }},
		"self_test.cases: there is none":                 {"quality", func(m *Manifest) { m.SelfTest.Cases = nil }},
		"self_test.tolerance: 1 values for 2":            {"quality", func(m *Manifest) { m.SelfTest.Tolerance = []float64{1} }},
		"self_test: 8x16 pixels, the network":            {"quality", func(m *Manifest) { m.SelfTest.Width = 8 }},
		"self_test.cases[1].outputs: 0 for 2":            {"quality", func(m *Manifest) { m.SelfTest.Cases[1].Outputs = nil }},
		"self_test.cases[0].picture: -1":                 {"quality", func(m *Manifest) { m.SelfTest.Cases[0].Picture = -1 }},
		"input.width: task quality needs":                {"quality", func(m *Manifest) { m.Input.Width, m.Input.Height, m.Input.Multiple = 0, 0, 16 }},
		"detector: is missing":                           {"detector", func(m *Manifest) { m.Detector = nil }},
		"quality: does not belong":                       {"detector", func(m *Manifest) { m.Quality = &QualityHead{} }},
		"detector.score: is missing, with low_score":     {"detector", func(m *Manifest) { m.Detector.Score, m.Detector.LowScore = 0, 0 }},
		"detector.score: 1 is not between 0 and 1":       {"detector", func(m *Manifest) { m.Detector.Score = 1 }},
		"detector.low_score: 0.8 is not between 0 and":   {"detector", func(m *Manifest) { m.Detector.LowScore = 0.8 }},
		"detector.strides: [8 8 32]":                     {"detector", func(m *Manifest) { m.Detector.Strides[1] = 8 }},
		"detector.strides: 24 does not divide":           {"detector", func(m *Manifest) { m.Detector.Strides[1] = 24 }},
		"detector.cls: output 99, there are 12":          {"detector", func(m *Manifest) { m.Detector.Cls[2] = 99 }},
		"is used twice":                                  {"detector", func(m *Manifest) { m.Detector.Cls[2] = m.Detector.Cls[1] }},
		"detector.kps: 2 outputs for 3 strides":          {"detector", func(m *Manifest) { m.Detector.Kps = m.Detector.Kps[:2] }},
		"not [1 H W 4]":                                  {"detector", func(m *Manifest) { m.Detector.BBox, m.Detector.Kps = m.Detector.Kps, m.Detector.BBox }},
		"self_test: 65x64 pixels, the network ta":        {"detector", func(m *Manifest) { m.SelfTest.Width = 65 }},
		"detector: is missing, task landmarks needs it":  {"detector", func(m *Manifest) { m.Task, m.Detector = TaskLandmarks, nil }},
		"does not belong to task landmarks":              {"detector", func(m *Manifest) { m.Task, m.Quality = TaskLandmarks, &QualityHead{} }},
		"detector.kps: 1 outputs for 3 strides":          {"detector", func(m *Manifest) { m.Task, m.Detector.Kps = TaskLandmarks, m.Detector.Kps[:1] }},
	} {
		m := edited(t, test.name, test.change).Manifest
		if err := m.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestManifestAllFaults: an empty manifest names everything that it lacks, not only the first.
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

func TestRuntimeFaults(t *testing.T) {
	for want, rt := range map[string]Runtime{
		"threads: 0 is outside":                 {Threads: 0, Delegate: DelegateXNNPACK},
		`delegate: "gpu" is none of`:            {Threads: 1, Delegate: "gpu"},
		"library: delegate external needs":      {Threads: 1, Delegate: DelegateExternal},
		`library: "a.so" is only for`:           {Threads: 1, Delegate: DelegateNone, Library: "a.so"},
		"options: are only for":                 {Threads: 1, Delegate: DelegateNone, Options: map[string]string{"a": "b"}},
		"options: an empty key":                 {Threads: 1, Delegate: DelegateExternal, Library: "a", Options: map[string]string{"": "b"}},
		"threads: -1 is outside 1..64\ndelegat": {Threads: -1},
	} {
		if err := rt.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if err := DefaultRuntime().Validate(); err != nil {
		t.Error(err)
	}
}

// FuzzParseManifest: whatever the bytes, an error or a manifest that can be used without a check, never a panic.
func FuzzParseManifest(f *testing.F) {
	for _, name := range []string{"quality", "detector"} {
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
