// Package testsupport holds what the tests of several packages need.
package testsupport

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"facesieve/models"
)

// WriteNetworkOfMultiple64 writes the built-in detector as a network of a task with an input of multiples of 64 pixels.
// If the task is landmarks, side is its input side for refinement, pixels. It returns the path of the .tflite file.
func WriteNetworkOfMultiple64(t *testing.T, task string, side int) string {
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
			if task == models.TaskLandmarks {
				rule := fmt.Sprintf(`"refinement": {"side": %d, "crop_scale": 1.6, "min_crop": 8, "min_iou": 0.4}, `, side)
				content = replaced(t, content, `"self_test": {`, rule+`"self_test": {`)
			}
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
