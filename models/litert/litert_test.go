package litert

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
