// Package testsupport holds what the tests of several packages need.
package testsupport

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// LargeOnly writes the built-in detector as a network for a task whose input size must be a multiple of 64 pixels, unlike
// the 96 pixels of refinement. It returns the path of the .tflite file.
func LargeOnly(t *testing.T, task string) string {
	t.Helper()
	directory := t.TempDir()
	for _, name := range []string{"detector.tflite", "detector.json"} {
		content, err := os.ReadFile(RepositoryPath(t, "models", name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "detector.json" {
			content = replaced(t, content, `"multiple": 32`, `"multiple": 64`)
			content = replaced(t, content, `"task": "detector"`, fmt.Sprintf(`"task": %q`, task))
		}
		if err := os.WriteFile(filepath.Join(directory, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(directory, "detector.tflite")
}

func replaced(t *testing.T, content []byte, from, to string) []byte {
	t.Helper()
	if !bytes.Contains(content, []byte(from)) {
		t.Fatalf("the manifest does not contain %s", from)
	}
	return bytes.Replace(content, []byte(from), []byte(to), 1)
}
