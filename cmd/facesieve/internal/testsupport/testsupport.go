package testsupport

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"facesieve/publish/event"
)

// ProcessorTime returns the processor time that this process has used on all cores.
func ProcessorTime(b testing.TB) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// Must fails the test if one of errs is an error.
func Must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Timeout bounds each wait of a test.
const Timeout = 40 * time.Second

// Eventually waits until condition is true.
func Eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(Timeout); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for: %s", Timeout, what)
		}
	}
}

// NoEnvironment is an environment without variables.
func NoEnvironment(string) string { return "" }

// SharedVideo returns the path of a recording of the shared data set. It skips the test where that is absent.
func SharedVideo(t testing.TB, name string) string {
	t.Helper()
	shared := os.Getenv("FACESIEVE_SHARED")
	if shared == "" {
		shared = RepositoryPath(t, "..", "shared")
	}
	path := filepath.Join(shared, "data", "videos", name)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing, and CI must have it", name)
		}
		t.Skipf("%s is missing: set FACESIEVE_SHARED to the directory of the shared data to run this test", name)
	}
	return path
}

// FaceImage returns the path of an image with one face, which the gocv module contains.
func FaceImage(t testing.TB) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "gocv.io/x/gocv").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), "images", "face.jpg")
}

// WriteFile writes text into a new temporary file of this name, and returns its path.
func WriteFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// DecodeLines decodes an event from each line.
func DecodeLines(t *testing.T, lines []byte) []event.Face {
	t.Helper()
	var events []event.Face
	scanner := bufio.NewScanner(bytes.NewReader(lines))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		event, err := event.DecodeFace(scanner.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	return events
}

// RepositoryPath returns the path of a file below the directory of go.mod.
func RepositoryPath(t testing.TB, elements ...string) string {
	t.Helper()
	directory, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(directory, "go.mod")); err == nil {
			return filepath.Join(append([]string{directory}, elements...)...)
		}
		if directory == filepath.Dir(directory) {
			t.Fatal("no go.mod in the directories above the test")
		}
		directory = filepath.Dir(directory)
	}
}
