package models

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"facesieve/models/litert/litertest"
)

// byLiteRT returns a runtime with LiteRT.
func byLiteRT(t *testing.T, device string) Runtime {
	t.Helper()
	rt := DefaultRuntime()
	rt.Engine, rt.Device, rt.Library = EngineLiteRT, device, litertest.Library(t)
	return rt
}

// startLiteRT starts a network, which must not be refused.
func startLiteRT(t *testing.T, m *Model, rt Runtime) *Interpreter {
	t.Helper()
	i, err := Start(m, rt, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	if !i.External() || i.Refusal() != nil {
		t.Fatalf("%s is refused: %v", m.Source, i.Refusal())
	}
	return i
}

// TestLiteRTOnCPU: the outputs of all networks are those of TensorFlow Lite to the bit, at all sizes.
func TestLiteRTOnCPU(t *testing.T) {
	rt := byLiteRT(t, DeviceCPU)
	rt.Threads = 2
	for _, task := range []string{TaskDetector, TaskLandmarks, TaskQuality} {
		m, err := Embedded(task)
		if err != nil {
			t.Fatal(err)
		}
		i, cpu := startLiteRT(t, m, rt), start(t, m, DelegateXNNPACK)
		if library, device := i.Engine(); library != "LiteRT 2.3.0" || device != DeviceCPU {
			t.Errorf("engine %q, device %q", library, device)
		}
		if i.Deviation() > 20 {
			t.Errorf("%s: deviation %g steps from the manifest", task, i.Deviation())
		}
		if n := differences(t, i, cpu); n != 0 {
			t.Errorf("%s: %d values differ", task, n)
		}
		if m.Manifest.Input.Fixed() {
			continue
		}
		for _, size := range [][2]int{{320, 192}, {64, 64}, {96, 640}, {320, 192}} {
			if err := i.Verify(size[0], size[1]); err != nil {
				t.Fatal(err)
			}
			if n := differences(t, i, cpu); n != 0 {
				t.Errorf("%s at %v: %d values differ", task, size, n)
			}
		}
	}
}

// TestLiteRTOnGPU: all networks pass their tests on a GPU, here one in software, with float32. With float16 the landmarks
// would be far from those of the CPU.
func TestLiteRTOnGPU(t *testing.T) {
	rt := byLiteRT(t, DeviceGPU)
	litertest.UseDriver(t, litertest.Driver(t))
	for task, size := range map[string][2]int{TaskDetector: {320, 192}, TaskLandmarks: {96, 96}, TaskQuality: {112, 112}} {
		m, err := Embedded(task)
		if err != nil {
			t.Fatal(err)
		}
		i := startLiteRT(t, m, rt)
		if err := i.Verify(size[0], size[1]); err != nil {
			t.Error(err)
		}
		if _, device := i.Engine(); !strings.HasPrefix(device, "gpu (") || len(device) < 8 {
			t.Errorf("device %q", device)
		}
		n := differences(t, i, start(t, m, DelegateXNNPACK))
		if task != TaskQuality && n > 0 { // its sum over a map has another order on a GPU
			t.Errorf("%s: %d values differ from those of the CPU", task, n)
		}
	}
}

// TestLiteRTKeepsCompiledSizes: a size that was used before is not compiled again, and the number of sizes is bounded.
func TestLiteRTKeepsCompiledSizes(t *testing.T) {
	m, err := Embedded(TaskDetector)
	if err != nil {
		t.Fatal(err)
	}
	i := startLiteRT(t, m, byLiteRT(t, DeviceCPU))
	e, ok := i.engine.(*litertEngine)
	if !ok {
		t.Fatalf("engine %T", i.engine)
	}
	resize := func(width int) *compiledSize {
		if err := errors.Join(i.Resize(width, 64), i.runTestImage(0)); err != nil {
			t.Fatal(err)
		}
		return &e.sizes[len(e.sizes)-1]
	}
	first := resize(96).compiled
	resize(128)
	if again := resize(96); again.compiled != first || len(e.sizes) != 3 {
		t.Errorf("%d sizes, compiled again: %v", len(e.sizes), again.compiled != first)
	}
	for k := range 2 * maxSizes {
		resize(160 + 32*k)
	}
	if len(e.sizes) != maxSizes {
		t.Errorf("%d sizes are kept", len(e.sizes))
	}
	if again := resize(96); again.compiled == first {
		t.Error("the size that was used first is still kept")
	}
}

// TestStartWithoutLiteRT: without the library, XNNPACK is used.
func TestStartWithoutLiteRT(t *testing.T) {
	for _, device := range []string{DeviceCPU, DeviceGPU} {
		rt := DefaultRuntime()
		rt.Engine, rt.Device, rt.Library = EngineLiteRT, device, filepath.Join(t.TempDir(), "libLiteRt.so")
		refused(t, rt, "libLiteRt.so is missing")
	}
}

// TestStartWithoutDriver: without a Vulkan driver, XNNPACK is used. It runs in a process of its own, because drivers are
// searched only once.
func TestStartWithoutDriver(t *testing.T) {
	rt := byLiteRT(t, DeviceGPU)
	const name = "FACESIEVE_TEST_DRIVERLESS"
	if os.Getenv(name) != "" {
		refused(t, rt, "no GPU with a Vulkan driver was found at the start of the program: "+
			"LiteRtCreateCompiledModel failed with status 3 (")
		return
	}
	litertest.UseDriver(t, "/nowhere/driver.so")
	t.Setenv(name, "1")
	if out, err := exec.Command(os.Args[0], "-test.run=^TestStartWithoutDriver$").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// refused starts a network with a runtime that no network can use: XNNPACK is used, and the reason is reported.
func refused(t *testing.T, rt Runtime, want string) {
	t.Helper()
	device, refusal, _, err := started(t, rt)
	if err != nil || device != DelegateXNNPACK || !errors.Is(refusal, ErrNoRuntime) ||
		!strings.Contains(refusal.Error(), want) {
		t.Errorf("device %q, %v, %v", device, refusal, err)
	}
}

// TestLiteRTNoLeak creates and closes many interpreters on the CPU; the memory of the networks must be freed.
func TestLiteRTNoLeak(t *testing.T) {
	m, rt := testModel(t, "detector"), byLiteRT(t, DeviceCPU)
	cycle := func(n int) {
		for range n {
			i, err := NewInterpreter(m, rt)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(i.Resize(96, 96), i.SelfTest(), i.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	const n = 300
	cycle(n)
	before := resident(t)
	cycle(n)
	if grown := resident(t) - before; grown > n<<11 {
		t.Errorf("%d interpreters left %d KiB behind", n, grown>>10)
	}
}

// TestLiteRTQuiet runs networks on both devices in a process of its own: neither LiteRT nor the driver writes to its
// standard output or standard error, which commands print JSON to.
func TestLiteRTQuiet(t *testing.T) {
	const name = "FACESIEVE_QUIET_LITERT"
	if os.Getenv(name) != "" {
		return
	}
	litertest.Library(t)
	litertest.Driver(t)
	child := exec.Command(os.Args[0], "-test.run=^(TestLiteRTOnGPU|TestLiteRTKeepsCompiledSizes)$")
	child.Env = append(os.Environ(), name+"=1")
	var stdout, stderr strings.Builder
	child.Stdout, child.Stderr = &stdout, &stderr
	if err := child.Run(); err != nil || stderr.Len() > 0 || stdout.String() != "PASS\n" {
		t.Errorf("%v, standard output %q, standard error %q", err, stdout.String(), stderr.String())
	}
}
