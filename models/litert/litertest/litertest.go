// Package litertest finds what tests of LiteRT need: its files, which `make setup-test` fetches, and a GPU in software.
package litertest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Library returns the path of LiteRT's library. It skips the test if it is not there; in CI that is an error.
func Library(t testing.TB) string {
	t.Helper()
	_, source, _, ok := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(source), "..", "..", "..", "build", "litert", "libLiteRt.so")
	if !ok {
		t.Fatal("the directory of the sources is not known")
	}
	if _, err := os.Stat(path); err != nil {
		missing(t, fmt.Sprintf("no LiteRT, make setup-test fetches it: %v", err))
	}
	return path
}

// Driver returns the path of a Vulkan driver that computes in software: SwiftShader, which Debian's package chromium
// contains.
func Driver(t testing.TB) string {
	t.Helper()
	const swiftShader = "/usr/lib/chromium/libvk_swiftshader.so"
	if _, err := os.Stat(swiftShader); err == nil {
		return swiftShader
	}
	lavapipe, err := filepath.Glob("/usr/lib/*/libvulkan_lvp.so")
	if err != nil {
		t.Fatal(err)
	}
	if len(lavapipe) == 0 {
		missing(t, "no Vulkan driver in software: install chromium (Debian) or mesa-vulkan-drivers (Mesa 25 or later)")
	}
	return lavapipe[0]
}

// UseDriver makes the Vulkan driver in this file the only one of the process, until the test ends.
func UseDriver(t testing.TB, driver string) {
	t.Helper()
	const manifest = `{"file_format_version": "1.0.0", "ICD": {"library_path": %q, "api_version": "1.3.0"}}`
	path := filepath.Join(t.TempDir(), "icd.json")
	if err := os.WriteFile(path, fmt.Appendf(nil, manifest, driver), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VK_DRIVER_FILES", path)
	t.Setenv("VK_ICD_FILENAMES", path) // the name before loader 1.3.234
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
