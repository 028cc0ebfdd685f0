// Package statefile writes what the program keeps between runs in the state directory.
package statefile

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// WriteJSON replaces a file, which only its owner can read, and creates its directory. After a crash the file has the
// former content or the new one.
func WriteJSON(path string, content any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	directory := filepath.Dir(path)
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(path, text, 0o600, renameio.WithTempDir(directory))
}
