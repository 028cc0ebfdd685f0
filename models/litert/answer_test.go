package litert_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facesieve/models"
	"facesieve/models/litert"
	"facesieve/models/litert/litertest"
)

// TestGPUWithoutAnswer runs a network on a GPU that stops to answer: XNNPACK replaces it and runs on the same pixels. It
// runs in a process of its own, because a thread stays in the driver.
func TestGPUWithoutAnswer(t *testing.T) {
	const child = "FACESIEVE_TEST_HANG"
	if hang := os.Getenv(child); hang != "" {
		answerChild(t, hang)
		return
	}
	library, driver := litertest.Library(t), buildDriver(t)
	litertest.UseDriver(t, driver)
	t.Setenv("FACESIEVE_TEST_LITERT", library)
	t.Setenv("FACESIEVE_TEST_DRIVER", litertest.Driver(t))
	t.Setenv(child, filepath.Join(t.TempDir(), "hang"))
	command := exec.Command(os.Args[0], "-test.run=^TestGPUWithoutAnswer$") //nolint:gosec // this program
	if out, err := command.CombinedOutput(); err != nil || strings.Contains(string(out), "SKIP") {
		t.Errorf("%v: %s", err, out)
	}
}

func buildDriver(t *testing.T) string {
	t.Helper()
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "cc"
	}
	path := filepath.Join(t.TempDir(), "libdriver.so")
	out, err := exec.Command(compiler, "-shared", "-fPIC", "-o", path, "testdata/driver.c", "-ldl").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// answerChild expects the environment that its parent has set up. The file hang stops the GPU.
func answerChild(t *testing.T, hang string) {
	rt := models.DefaultRuntime()
	rt.Engine, rt.Device, rt.Library = models.EngineLiteRT, models.DeviceGPU, os.Getenv("FACESIEVE_TEST_LITERT")
	// models uses this environment too.
	if _, err := litert.OpenImpatient(rt.Library, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	m, err := models.Embedded(models.TaskLandmarks)
	if err != nil {
		t.Fatal(err)
	}
	i, err := models.Start(m, rt, zerolog.Nop())
	if err != nil || i.Refusal() != nil || !i.External() {
		t.Fatal(err, i.Refusal())
	}
	other, err := models.Start(m, rt, zerolog.Nop())
	if err != nil || other.Refusal() != nil {
		t.Fatal(err, other.Refusal())
	}
	if err := os.WriteFile(hang, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, i := range []*models.Interpreter{i, other} {
		width, height := i.Size()
		pixels := make([]byte, width*height*3)
		models.SelfTestImage(pixels, width, height, 1)
		if err := errors.Join(i.SetPixels(pixels), i.Invoke()); err != nil {
			t.Fatal(err)
		}
		if i.External() || !errors.Is(i.Refusal(), litert.ErrNoAnswer) || !errors.Is(i.Refusal(), models.ErrNoRuntime) {
			t.Error(i.External(), i.Refusal())
		}
		want := onCPU(t, m, pixels)
		for k := range i.Outputs() {
			if got := i.Output(k).Dequantize(nil); len(got) == 0 || !slices.Equal(got, want[k]) {
				t.Errorf("output %d differs from that of the CPU", k)
			}
		}
	}
	if err := errors.Join(i.Close(), other.Close()); err != nil {
		t.Error(err)
	}
}

// onCPU returns the outputs of a network on XNNPACK at the size of its self-test.
func onCPU(t *testing.T, m *models.Model, pixels []byte) (outputs [][]float64) {
	t.Helper()
	cpu, err := models.NewInterpreter(m, models.DefaultRuntime())
	if err != nil {
		t.Fatal(err)
	}
	defer cpu.Close()
	if err := errors.Join(cpu.SetPixels(pixels), cpu.Invoke()); err != nil {
		t.Fatal(err)
	}
	for k := range cpu.Outputs() {
		outputs = append(outputs, cpu.Output(k).Dequantize(nil))
	}
	return outputs
}
