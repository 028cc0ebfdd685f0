package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
	"facesieve/models/litert/litertest"
)

// acceleratorLibrary compiles the test delegate of package models.
func acceleratorLibrary(t *testing.T) string {
	t.Helper()
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "cc"
	}
	path := filepath.Join(t.TempDir(), "libdelegate.so")
	source := testsupport.RepositoryPath(t, "models", "testdata", "delegate.c")
	if out, err := exec.Command(compiler, "-shared", "-fPIC", "-o", path, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// The library of an accelerator is missing, is not an accelerator, or returns wrong results, perhaps only at the size
// of the frames or only after some runs. check reports a fault of the configuration; every other command warns once and
// returns the scores of the CPU.
func TestRefusedAcceleratorIsReported(t *testing.T) {
	t.Parallel()
	library := acceleratorLibrary(t)
	image := testsupport.FaceImage(t)
	onCPU, _ := mustInvoke(t, "score", image)
	for name, test := range map[string]struct{ library, mode, want string }{
		"missing":      {filepath.Join(t.TempDir(), "gone.so"), "idle", "cannot open shared object file"},
		"no delegate":  {"libm.so.6", "idle", "it is no TensorFlow Lite delegate"},
		"not made":     {library, "refuse", "mode refuse was asked for"},
		"wrong":        {library, "zeros", "the outputs differ from the right ones"},
		"wrong late":   {library, "third", "the outputs differ from the right ones"},
		"wrong, large": {library, "large", "at 640x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := testsupport.WriteFile(t, "facesieve.yaml", acceleratorConfig(t, test.library, test.mode))
			code, _, stderr := invoke(t.Context(), "check", "--config", config)
			refused := test.want
			if name == "missing" {
				refused = "no such file or directory" // check reads the file before it loads the library
			}
			if code != exitConfig || !strings.Contains(stderr, "runtime.library: ") ||
				!strings.Contains(stderr, refused) {
				t.Errorf("check: exit code %d\n%s", code, stderr)
			}
			code, stdout, stderr := invoke(t.Context(), "score", "--config", config, image)
			if code != exitOK || warnings(stderr) != 1 || !strings.Contains(stderr, test.want) {
				t.Errorf("score: exit code %d\n%s", code, stderr)
			}
			// With "wrong, large" the other networks stay on the accelerator.
			if name != "wrong, large" && stdout != onCPU {
				t.Errorf("score: %s, on the CPU %s", stdout, onCPU)
			}
			recorded := testsupport.SharedVideo(t, "two_heads.mp4")
			code, _, stderr = invoke(t.Context(), "replay", "--config", config, "--out", t.TempDir(), recorded)
			if code != exitOK || warnings(stderr) != 1 {
				t.Errorf("replay: exit code %d\n%s", code, stderr)
			}
			if name != "wrong, large" {
				return
			}
			code, _, stderr = invoke(t.Context(), "run", "--config", config)
			if code != exitOK || warnings(stderr) != 1 {
				t.Errorf("run: exit code %d\n%s", code, stderr)
			}
		})
	}
}

func warnings(stderr string) int {
	return strings.Count(stderr, "the configured runtime is refused, XNNPACK on the CPU is used instead")
}

// An accelerator that passes its tests and fails later is reported, and as many faces are sent as without the failure.
func TestAcceleratorThatStopsIsReplaced(t *testing.T) {
	t.Parallel()
	recorded := testsupport.SharedVideo(t, "two_heads.mp4")
	replayed := func(mode string) (faces int, stderr string) {
		config := testsupport.WriteFile(t, "facesieve.yaml", acceleratorConfig(t, acceleratorLibrary(t), mode))
		out := t.TempDir()
		_, stderr = mustInvoke(t, "replay", "--config", config, "--out", out, recorded)
		events, err := os.ReadFile(filepath.Join(out, "events.jsonl"))
		testsupport.Must(t, err)
		return bytes.Count(events, []byte("\n")), stderr
	}
	want, stderr := replayed("idle")
	if want == 0 || warnings(stderr) != 0 {
		t.Fatalf("%d faces\n%s", want, stderr)
	}
	got, stderr := replayed("stops")
	if warnings(stderr) == 0 || !strings.Contains(stderr, "the network failed") {
		t.Errorf("it is not reported: %s", stderr)
	}
	if got != want {
		t.Errorf("%d faces instead of %d", got, want)
	}
}

// An accelerator whose outputs equal those of the CPU is used without a warning.
func TestAcceleratorWithTheOutputsOfTheCPUIsUsed(t *testing.T) {
	t.Parallel()
	config := testsupport.WriteFile(t, "facesieve.yaml", acceleratorConfig(t, acceleratorLibrary(t), "idle"))
	mustInvoke(t, "check", "--config", config)
	if _, stderr := mustInvoke(t, "score", "--config", config, testsupport.FaceImage(t)); warnings(stderr) != 0 {
		t.Errorf("score: %s", stderr)
	}
}

// LiteRT is not installed: check reports a fault of the configuration; every other command warns once and returns the
// scores of the CPU.
func TestMissingLiteRTIsReported(t *testing.T) {
	t.Parallel()
	image := testsupport.FaceImage(t)
	onCPU, _ := mustInvoke(t, "score", "--config", smallInput(t), image)
	for _, device := range []string{"cpu", "gpu"} {
		config := testsupport.WriteFile(t, "facesieve.yaml", litertConfig(t, device, "/nowhere/libLiteRt.so"))
		code, _, stderr := invoke(t.Context(), "check", "--config", config)
		if code != exitConfig || !strings.Contains(stderr, "runtime.library: the library cannot be read: ") {
			t.Errorf("check: exit code %d\n%s", code, stderr)
		}
		code, stdout, stderr := invoke(t.Context(), "score", "--config", config, image)
		if code != exitOK || stdout != onCPU || warnings(stderr) != 1 ||
			!strings.Contains(stderr, "/nowhere/libLiteRt.so is missing") {
			t.Errorf("score: exit code %d\n%s", code, stderr)
		}
	}
}

// LiteRT scores on the CPU and on a GPU, here one in software, and prints nothing but the scores.
func TestLiteRTIsUsed(t *testing.T) {
	library := litertest.Library(t)
	litertest.UseDriver(t, litertest.Driver(t))
	image := testsupport.FaceImage(t)
	onCPU, _ := mustInvoke(t, "score", "--json", "--config", smallInput(t), image)
	for _, device := range []string{"cpu", "gpu"} {
		config := testsupport.WriteFile(t, "facesieve.yaml", litertConfig(t, device, library))
		stdout, stderr := mustInvoke(t, "score", "--json", "--config", config, image)
		if warnings(stderr) != 0 {
			t.Errorf("%s: %s", device, stderr)
		}
		a, b := scoreOf(t, onCPU), scoreOf(t, stdout)
		if device == "cpu" && a != b || math.Abs(a-b) > 1 {
			t.Errorf("%s: score %g, by TensorFlow Lite %g", device, b, a)
		}
	}
}

// scoreOf returns the score of the only face.
func scoreOf(t *testing.T, line string) float64 {
	t.Helper()
	var face struct {
		Score float64 `json:"score"`
	}
	if err := json.Unmarshal([]byte(line), &face); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return face.Score
}

// smallInput is a configuration with the detector's input of litertConfig.
func smallInput(t *testing.T) string {
	t.Helper()
	return testsupport.WriteFile(t, "facesieve.yaml", "detect: {input: 320}")
}

// litertConfig has a small input of the detector, because a GPU in software is slow.
func litertConfig(t *testing.T, device, library string) string {
	t.Helper()
	return fmt.Sprintf(`
runtime: {engine: litert, device: %s, library: %s}
log: {level: warn, format: json}
detect: {input: 320}
cameras: [{name: a, url: %s}]
`, device, library, testsupport.SharedVideo(t, "walk_in.mp4"))
}

// acceleratorConfig has several cameras, so that there are several interpreters of each network.
func acceleratorConfig(t *testing.T, library, mode string) string {
	t.Helper()
	video := testsupport.SharedVideo(t, "walk_in.mp4")
	return fmt.Sprintf(`
runtime: {delegate: external, library: %s, options: {mode: %s}}
log: {level: warn, format: json}
mqtt: {broker: embedded, listen: %s}
outbox: {store: memory}
cameras: [{name: a, url: %s}, {name: b, url: %s}, {name: c, url: %s}]
`, library, mode, freeport.Address(t), video, video, video)
}
