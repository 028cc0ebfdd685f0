package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"facesieve/publish/event"
)

// sharedVideo returns the path of a recording of the shared data set, or skips the test where that is absent.
func sharedVideo(t testing.TB, name string) string {
	t.Helper()
	shared := os.Getenv("FACESIEVE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(shared, "data", "videos", name)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing, and CI must have it", name)
		}
		t.Skipf("%s is not there: set FACESIEVE_SHARED to the folder of the shared data to run this test", name)
	}
	return path
}

// facePicture is the picture of a man that the gocv module carries.
func facePicture(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "gocv.io/x/gocv").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), "images", "face.jpg")
}

// invoke runs the command line args and returns its exit code and what it printed.
func invoke(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(ctx, args, &out, &err)
	return code, out.String(), err.String()
}

// mustInvoke fails the test if the command does.
func mustInvoke(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	code, stdout, stderr := invoke(t.Context(), args...)
	if code != exitOK {
		t.Fatalf("facesieve %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout, stderr
}

// writeFile writes text into a new temporary file of this name.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// programPath finds a program of the system, or skips the test where it is missing.
func programPath(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed, and CI must have it", name)
		}
		t.Skipf("%s is not installed: make setup-test installs it", name)
	}
	return path
}

// decodeLines decodes an event from each line.
func decodeLines(t *testing.T, lines []byte) []event.Face {
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

// safeBuffer is a bytes.Buffer for two goroutines.
type safeBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(p)
}

// copied returns what was written so far.
func (b *safeBuffer) copied() []byte {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return bytes.Clone(b.buffer.Bytes())
}
