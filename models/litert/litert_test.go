package litert

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"facesieve/models/litert/litertest"
)

// TestCheckCPU: the accelerator is not loaded on a CPU without its instructions.
func TestCheckCPU(t *testing.T) {
	for name, test := range map[string]struct {
		features cpuFeatures
		want     string
	}{
		"x86-64":                       {cpuFeatures{}, ""},
		"Cortex-A78AE, of Jetson Orin": {cpuFeatures{arm64: true, atomics: true, dotProduct: true}, ""},
		"Cortex-A76, of Pi 5":          {cpuFeatures{arm64: true, atomics: true, dotProduct: true}, ""},
		"Cortex-A72, of Pi 4":          {cpuFeatures{arm64: true}, "no atomic (LSE) instructions"},
		"Cortex-A75, first revision":   {cpuFeatures{arm64: true, atomics: true}, "no dot product instructions"},
	} {
		err := checkCPU(test.features)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: want %q, got %v", name, test.want, err)
		}
	}
}

// TestOpenRefuses: files that are missing, or of another version, are not loaded.
func TestOpenRefuses(t *testing.T) {
	library := litertest.Library(t)
	folder := t.TempDir()
	if err := os.Symlink(library, filepath.Join(folder, "libLiteRt.so")); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "libLiteRt.so")
	if err := os.WriteFile(other, []byte("another version"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		library, want string
		gpu           bool
	}{
		"missing":             {filepath.Join(t.TempDir(), "libLiteRt.so"), "libLiteRt.so is missing", false},
		"another version":     {other, "is not that of LiteRT 2.3.0", false},
		"another name":        {"/lib/libm.so.6", "is no file of LiteRT 2.3.0", false},
		"without accelerator": {filepath.Join(folder, "libLiteRt.so"), Accelerator + " is missing", true},
	} {
		e, err := Open(test.library, test.gpu)
		if e != nil || !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: want %q, got %v", name, test.want, err)
		}
	}
	if _, err := Open(filepath.Join(folder, "libLiteRt.so"), false); err != nil {
		t.Errorf("the CPU needs no accelerator: %v", err)
	}
}

// TestOpenWithoutExecutableMemory: a GPU is refused where systemd's MemoryDenyWriteExecute would end the process. It runs
// in a process of its own.
func TestOpenWithoutExecutableMemory(t *testing.T) {
	library := litertest.Library(t)
	const name = "FACESIEVE_TEST_MEMORY"
	if os.Getenv(name) == "" {
		t.Setenv(name, "1")
		out, err := exec.Command(os.Args[0], "-test.v", "-test.run=^TestOpenWithoutExecutableMemory$").CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	if err := unix.Prctl(unix.PR_SET_MDWE, unix.PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0); err != nil {
		t.Skip("this kernel cannot forbid it: ", err)
	}
	if _, err := Open(library, true); err == nil || !strings.Contains(err.Error(), "MemoryDenyWriteExecute=no") {
		t.Error(err)
	}
	if _, err := Open(library, false); err != nil {
		t.Error(err)
	}
}

// TestLoadRefuses: a library whose interface is another one is closed without a call.
func TestLoadRefuses(t *testing.T) {
	for library, want := range map[string]string{
		"libm.so.6":           "the library has no LiteRtCreateEnvironment",
		"/nowhere/libLite.so": "the library cannot be loaded (/nowhere/libLite.so: cannot open shared object file",
	} {
		if _, err := open(library, false, defaultLimits()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestOpenIsShared: the networks of a process share one environment.
func TestOpenIsShared(t *testing.T) {
	library := litertest.Library(t)
	first, err := Open(library, false)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Open(library, false)
	if err != nil || first != second {
		t.Error(err, first, second)
	}
}

func TestReasons(t *testing.T) {
	const log = `INFO: Failed to load OpenCL library with dlopen: libOpenCL.so
Warning: vkCreateInstance: Found no drivers!
    at CheckVkSuccessImpl (third_party/dawn/src/dawn/native/vulkan/VulkanError.cpp:106)

ERROR: [delegate_webgpu.cc:359] Failed to initialize: INTERNAL: No adapters found
WARNING: Logging before InitGoogle() is written to STDERR
I0000 00:00:1795971033.931121   25120 delegate_webgpu.cc:759] # of threads to compile kernels = 0
E0000 00:00:1795971181.466134   27154 delegate_webgpu.cc:736] Failed to get or create delegate
=== Source Location Trace: ===
third_party/odml/litert/ml_drift/delegate/delegate_webgpu.cc:432
`
	const want = "Warning: vkCreateInstance: Found no drivers!; Failed to initialize: INTERNAL: No adapters found; " +
		"Failed to get or create delegate"
	if got := reasons(log); got != want {
		t.Errorf("got %q", got)
	}
}
