package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
	"facesieve/publish/publishtest"
)

// Environment variables of a child process: childVariable makes the test binary run the program, faultVariable names a
// fault that it injects after some time.
const (
	childVariable = "FACESIEVE_TEST_CHILD"
	faultVariable = "FACESIEVE_TEST_FAULT"
)

// runAsChild runs the program in the test binary, which is linked like the program. It does not return.
func runAsChild() {
	if os.Getenv(faultVariable) == "panic" {
		time.AfterFunc(300*time.Millisecond, func() { panic("panic of a test") })
	}
	main()
}

// child is the program in a child process.
type child struct {
	t       *testing.T
	command *exec.Cmd
	stderr  *publishtest.Log
	ended   chan struct{} // closed when it has ended
}

// startChild runs a shell command, in which $0 is the program, until the test ends.
func startChild(t *testing.T, environment []string, command string, args ...string) *child {
	t.Helper()
	c := newChild(t, environment, command, args...)
	c.start()
	return c
}

func newChild(t *testing.T, environment []string, command string, args ...string) *child {
	c := &child{t: t, stderr: &publishtest.Log{}, ended: make(chan struct{})}
	c.command = exec.Command("/bin/sh", append([]string{"-c", command, os.Args[0]}, args...)...)
	c.command.Env = append(append(os.Environ(), childVariable+"=1"), environment...)
	c.command.Stderr = c.stderr
	return c
}

func (c *child) start() {
	c.t.Helper()
	if err := c.command.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		_ = c.command.Wait() // ProcessState holds the result
	}()
	c.t.Cleanup(func() {
		_ = c.command.Process.Kill()
		<-c.ended
	})
}

// unreachableConfig writes a configuration whose camera and broker cannot be reached. The daemon has started when
// startedMessage is logged.
func unreachableConfig(t *testing.T) string {
	t.Helper()
	return testsupport.WriteFile(t, "facesieve.yaml", fmt.Sprintf(`
log: {level: info, format: json}
cameras: [{name: gone, url: "rtsp://%s/x"}]
mqtt: {broker: "tcp://%s"}
outbox: {store: memory}
`, freeport.Address(t), freeport.Address(t)))
}

const startedMessage = "no connection to the broker"

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.command.Process.Signal(s); err != nil {
		c.t.Fatalf("%v: %v\n%s", s, err, c.stderr.String())
	}
}

func (c *child) awaitLog(text string) {
	c.t.Helper()
	testsupport.Eventually(c.t, text, func() bool {
		return strings.Contains(c.stderr.String(), text) || c.hasEnded()
	})
	if !strings.Contains(c.stderr.String(), text) {
		c.t.Fatalf("ended without %q: %v\n%s", text, c.command.ProcessState, c.stderr.String())
	}
}

func (c *child) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// status waits for the end and returns how the process ended.
func (c *child) status() syscall.WaitStatus {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(testsupport.Timeout):
		c.t.Fatalf("the process does not end\n%s", c.stderr.String())
	}
	return c.command.ProcessState.Sys().(syscall.WaitStatus) //nolint:errcheck,forcetypeassert // this type on Linux
}

// ignores reports whether the program ignores a signal. It is false while the shell runs.
func (c *child) ignores(s syscall.Signal) bool {
	directory := fmt.Sprintf("/proc/%d", c.command.Process.Pid)
	status, err := os.ReadFile(filepath.Join(directory, "status"))
	if err != nil || bytes.HasPrefix(status, []byte("Name:\tsh\n")) ||
		bytes.HasPrefix(status, []byte("Name:\tdash\n")) {
		return false
	}
	for line := range strings.Lines(string(status)) {
		var mask uint64
		name, value, _ := strings.Cut(line, ":\t")
		if name != "SigIgn" {
			continue
		}
		if _, err := fmt.Sscanf(value, "%x", &mask); err == nil && mask&(1<<(s-1)) != 0 {
			return true
		}
	}
	return false
}
