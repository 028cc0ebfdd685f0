package testsupport

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"facesieve/publish"
)

// processorTime is what this process has used so far, of all cores.
func ProcessorTime(b testing.TB) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func Must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// patience bounds what a test waits for.
const Timeout = 40 * time.Second

// eventually waits until condition holds.
func Eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(Timeout); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", Timeout, what)
		}
	}
}

func NoEnvironment(string) string { return "" }

// freeAddress returns an address on this machine that nobody listens on now.
func FreeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// sharedVideo returns the path of a recording of the shared data set, or skips the test where that is absent.
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
		t.Skipf("%s is not there: set FACESIEVE_SHARED to the folder of the shared data to run this test", name)
	}
	return path
}

// facePicture is the picture of a man that the gocv module carries.
func FacePicture(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "gocv.io/x/gocv").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), "images", "face.jpg")
}

// writeFile writes text into a new temporary file of this name.
func WriteFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// programPath finds a program of the system, or skips the test where it is missing.
func ProgramPath(t *testing.T, name string) string {
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
func DecodeLines(t *testing.T, lines []byte) []publish.Event {
	t.Helper()
	var events []publish.Event
	scanner := bufio.NewScanner(bytes.NewReader(lines))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		event, err := publish.DecodeEvent(scanner.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	return events
}

// safeBuffer is a bytes.Buffer for two goroutines.
type SafeBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *SafeBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(p)
}

// copied returns what was written so far.
func (b *SafeBuffer) Copied() []byte {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return bytes.Clone(b.buffer.Bytes())
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
