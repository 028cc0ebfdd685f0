package models

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testModel loads one of the tiny networks of testdata.
func testModel(t testing.TB, name string) *Model {
	t.Helper()
	m, err := Load(filepath.Join("testdata", name+".tflite"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// copyOf writes network and manifest into a new directory, after edit has changed their bytes.
func copyOf(t *testing.T, name string, edit func(network, manifest []byte) ([]byte, []byte)) string {
	t.Helper()
	dir := t.TempDir()
	network, err := os.ReadFile(filepath.Join("testdata", name+".tflite"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	network, manifest = edit(network, manifest)
	path := filepath.Join(dir, name+".tflite")
	if err := errors.Join(os.WriteFile(path, network, 0o600),
		os.WriteFile(filepath.Join(dir, name+".json"), manifest, 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	m := testModel(t, "quality")
	if m.Manifest.Task != TaskQuality || m.Manifest.Input.Width != 16 {
		t.Errorf("loaded %+v", m.Manifest)
	}
}

func TestEmbedded(t *testing.T) {
	for _, name := range []string{TaskDetector, TaskLandmarks, TaskQuality} {
		m, err := Embedded(name)
		if err != nil {
			t.Fatal(err)
		}
		if m.Manifest.Task != name {
			t.Errorf("embedded %s is for task %s", name, m.Manifest.Task)
		}
	}
	want := `no embedded network "nose", there are "detector", "landmarks" and "quality"`
	if _, err := Embedded("nose"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("an unknown name gives %v", err)
	}
}

// TestLoadRefuses: damaged and foreign files are refused before the C library reads them.
func TestLoadRefuses(t *testing.T) {
	type files = func(network, manifest []byte) ([]byte, []byte)
	for name, test := range map[string]struct {
		edit files
		want string
	}{
		"one bit": {func(n, m []byte) ([]byte, []byte) {
			n[len(n)/2] ^= 1
			return n, m
		}, "damaged, cut short or another file"},
		"truncated": {func(n, m []byte) ([]byte, []byte) {
			return n[:len(n)/2], m
		}, "damaged, cut short or another file"},
		"empty": {func(_, m []byte) ([]byte, []byte) {
			return nil, m
		}, `not a TensorFlow Lite file (0 bytes, identifier ""`},
		"foreign": {func(_, m []byte) ([]byte, []byte) {
			return []byte("\x89PNG\r\n\x1a\nand so on"), m
		}, "not a TensorFlow Lite file"},
		"not JSON": {func(n, _ []byte) ([]byte, []byte) {
			return n, []byte("schema: 1")
		}, "decode: invalid character"},
		"unknown key": {func(n, m []byte) ([]byte, []byte) {
			return n, replace(m, `"schema": 1`, `"schema": 1, "extra": 2`)
		}, `unknown field "extra"`},
		"two objects": {func(n, m []byte) ([]byte, []byte) {
			return n, append(m, '{', '}')
		}, "unexpected data after"},
		"other file": {func(n, m []byte) ([]byte, []byte) {
			return n, replace(m, `"quality.tflite"`, `"other.tflite"`)
		}, `the manifest is for "other.tflite"`},
		"schema 2": {func(n, m []byte) ([]byte, []byte) {
			return n, replace(m, `"schema": 1`, `"schema": 2`)
		}, "schema: version 2 is unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			path := copyOf(t, "quality", test.edit)
			_, err := Load(path)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want the path and %q", err, test.want)
			}
		})
	}
}

// TestLoadOfCorruptFiles truncates network and manifest near their start and at random places, as a power failure does,
// and flips bits. Each must be refused by an error that names the file and the remedy.
func TestLoadOfCorruptFiles(t *testing.T) {
	var network, manifest []byte
	path := copyOf(t, "quality", func(n, m []byte) ([]byte, []byte) {
		network, manifest = n, m
		return n, m
	})
	dice := rand.New(rand.NewPCG(3, 4))
	refused := func(file string, corrupt []byte, what string) {
		t.Helper()
		if err := os.WriteFile(file, corrupt, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		remedy := "from the same delivery again"
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), remedy) {
			t.Errorf("%s: %v", what, err)
		}
	}
	offsets := func(length int) []int {
		var all []int
		for i := range min(64, length) {
			all = append(all, i)
		}
		for range 100 {
			all = append(all, dice.IntN(length))
		}
		return append(all, length-1)
	}
	for _, at := range offsets(len(network)) {
		refused(path, network[:at], fmt.Sprintf("network cut after %d bytes", at))
		flipped := bytes.Clone(network)
		flipped[at] ^= 1 << dice.IntN(8)
		refused(path, flipped, fmt.Sprintf("bit flipped in byte %d of the network", at))
	}
	if err := os.WriteFile(path, network, 0o600); err != nil {
		t.Fatal(err)
	}
	end := len(bytes.TrimRight(manifest, "\n"))
	for _, at := range offsets(end) {
		refused(strings.TrimSuffix(path, ".tflite")+".json", manifest[:at], fmt.Sprintf("manifest cut after %d bytes", at))
	}
}

func TestLoadMissing(t *testing.T) {
	path := copyOf(t, "quality", func(n, m []byte) ([]byte, []byte) { return n, m })
	if err := os.Remove(strings.TrimSuffix(path, ".tflite") + ".json"); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "manifest quality.json is missing") {
		t.Errorf("without a manifest: %v", err)
	}
	_, err = Load(filepath.Join(t.TempDir(), "model.onnx"))
	if err == nil || !strings.Contains(err.Error(), "ends in .tflite") {
		t.Errorf("another ending: %v", err)
	}
	if err := os.WriteFile(strings.TrimSuffix(path, ".tflite")+".json", []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
}

func replace(text []byte, from, to string) []byte {
	return []byte(strings.Replace(string(text), from, to, 1))
}

// edited returns a network whose manifest, and only that, was changed after decoding.
func edited(t *testing.T, name string, change func(m *Manifest)) *Model {
	t.Helper()
	m := testModel(t, name)
	change(&m.Manifest)
	return m
}

// TestManifestRoundTrip: a manifest that is written and read is unchanged.
func TestManifestRoundTrip(t *testing.T) {
	for _, name := range []string{"quality", "detector", "../quality"} {
		m := testModel(t, name).Manifest
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := ParseManifest(text)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := json.Marshal(parsed); err != nil || string(second) != string(text) {
			t.Errorf("%s changed: %v\n%s\n%s", name, err, text, second)
		}
	}
}
