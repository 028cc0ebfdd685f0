package litert

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// knownFiles returns the SHA-256 of LiteRT's files in the wheels of ai-edge-litert 2.3.0, by name.
func knownFiles() map[string]string {
	switch runtime.GOARCH {
	case "amd64":
		return map[string]string{
			"libLiteRt.so": "eec47eb35e2924b3166015887e652a58edc9af823ae38e02bf83bef2548300bb",
			Accelerator:    "b67f193ae6eb8ad3a15349f54aba696c97d6f981c92bc2eb1096cbe9e2835b25",
		}
	case "arm64":
		return map[string]string{
			"libLiteRt.so": "b57687dc234d2b8b0598aef5a9c961ed24263df8f8b3f56adbee1cff618e544b",
			Accelerator:    "5f271fa4a36f9dd8d1f8514971b2e80f46bd92b1066509cdd9c0716723d6091a",
		}
	default:
		return nil
	}
}

// verifyFile returns an error if a file is not the one of Version.
func verifyFile(path string, known map[string]string) (err error) {
	want := known[filepath.Base(path)]
	if want == "" {
		return fmt.Errorf("%s is no file of LiteRT %s for %s", path, Version, runtime.GOARCH)
	}
	file, err := os.Open(path) //nolint:gosec // the operator's own configuration names the file
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is missing", path)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		return fmt.Errorf("%s is not that of LiteRT %s (SHA-256 %s instead of %s)", path, Version, got, want)
	}
	return nil
}
