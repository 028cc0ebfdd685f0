package testsupport

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// largeOnly writes the built-in detector as a network for that task that takes multiples of 64 pixels only, which 96 is none of.
func LargeOnly(t *testing.T, task string) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"detector.tflite", "detector.json"} {
		content, err := os.ReadFile(RepositoryPath(t, "models", name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "detector.json" {
			content = replaced(t, content, `"multiple": 32`, `"multiple": 64`)
			content = replaced(t, content, `"task": "detector"`, fmt.Sprintf(`"task": %q`, task))
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, "detector.tflite")
}

func replaced(t *testing.T, content []byte, from, to string) []byte {
	t.Helper()
	if !bytes.Contains(content, []byte(from)) {
		t.Fatalf("the manifest does not say %s", from)
	}
	return bytes.Replace(content, []byte(from), []byte(to), 1)
}
