package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
)

// unitSettings returns the values of each key of the shipped unit, in the order of the file.
func unitSettings(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(testsupport.RepositoryPath(t, "systemd", "facesieve.service"))
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			settings[key] = append(settings[key], strings.Fields(value)...)
		}
	}
	return settings
}

// restarts reports whether systemd restarts the service after the main process has ended with this status. The rules
// are those of systemd.service(5) for Restart=on-failure.
func restarts(unit map[string][]string, status syscall.WaitStatus) bool {
	names := map[syscall.Signal]string{
		syscall.SIGHUP: "SIGHUP", syscall.SIGINT: "SIGINT", syscall.SIGTERM: "SIGTERM", syscall.SIGPIPE: "SIGPIPE",
	}
	end := strconv.Itoa(status.ExitStatus())
	intended := status.Exited() && status.ExitStatus() == 0
	if status.Signaled() {
		end = names[status.Signal()]
		intended = end != ""
	}
	switch {
	case slices.Contains(unit["RestartPreventExitStatus"], end):
		return false
	case slices.Contains(unit["RestartForceExitStatus"], end):
		return true
	}
	return !intended && !slices.Contains(unit["SuccessExitStatus"], end)
}

// systemd restarts the daemon after every signal that ends it, except those of a stop.
func TestUnitRestartsAfterEveryCrash(t *testing.T) {
	unit := unitSettings(t)
	if got := unit["Restart"]; !slices.Equal(got, []string{"on-failure"}) {
		t.Fatalf("Restart=%v, but this test implements on-failure", got)
	}
	config := unreachableConfig(t)
	for _, s := range []syscall.Signal{
		// from systemd's watchdog
		syscall.SIGABRT,
		// from a fault in a library
		syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGSYS,
		// from a person, or from the kernel when memory runs out
		syscall.SIGQUIT, syscall.SIGKILL,
		// from a stop
		syscall.SIGTERM, syscall.SIGINT,
	} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := startChild(t, nil, `exec "$0" "$@"`, "run", "--config", config)
			c.awaitLog(startedMessage)
			c.signal(s)
			want := s != syscall.SIGTERM && s != syscall.SIGINT
			if status := c.status(); restarts(unit, status) != want {
				t.Errorf("exit code %d, signal %v: restarted is %v", status.ExitStatus(), status.Signal(), !want)
			}
		})
	}
}

// After an end without a signal, systemd restarts the daemon unless command line or configuration are wrong.
func TestUnitRestartsAfterFaultsOnly(t *testing.T) {
	unit := unitSettings(t)
	good := unreachableConfig(t)
	bad := testsupport.WriteFile(t, "bad.yaml", "detect: {scor: 1}\n")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	testsupport.Must(t, err)
	t.Cleanup(func() { testsupport.Must(t, listener.Close()) })
	busy := testsupport.WriteFile(t, "busy.yaml",
		fmt.Sprintf("cameras: [{name: a, url: a.mp4}]\nmqtt: {%s}\noutbox: {store: memory}\n",
			embeddedBroker(listener.Addr().String())))
	network := testsupport.WriteFile(t, "network.yaml",
		"models: {quality: /gone.tflite}\ncameras: [{name: a, url: a.mp4}]\n")
	for name, test := range map[string]struct {
		environment []string
		args        []string
		code        int
		restarts    bool
	}{
		"panic":           {[]string{faultVariable + "=panic"}, []string{"run", "--config", good}, 2, true},
		"port in use":     {nil, []string{"run", "--config", busy}, exitFailure, true},
		"command line":    {nil, []string{"run", "--colour"}, exitUsage, false},
		"no command":      {nil, nil, exitUsage, false},
		"configuration":   {nil, []string{"run", "--config", bad}, exitConfig, false},
		"missing file":    {nil, []string{"run", "--config", good + "x"}, exitConfig, false},
		"a directory":     {nil, []string{"run", "--config", t.TempDir()}, exitConfig, false},
		"missing network": {nil, []string{"run", "--config", network}, exitConfig, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startChild(t, test.environment, `exec "$0" "$@"`, test.args...)
			status := c.status()
			if status.ExitStatus() != test.code || restarts(unit, status) != test.restarts {
				t.Errorf("exit code %d, signal %v, want %d; restarted is %v\n%s",
					status.ExitStatus(), status.Signal(), test.code, !test.restarts, c.stderr.String())
			}
		})
	}
}

// SIGHUP while the libraries are still being loaded, before any code of the program runs, ends the process. The shell
// of the unit therefore ignores it from the start, and systemd restarts a process that it ends nevertheless. No reload
// is lost.
func TestHangupAtTheStart(t *testing.T) {
	unit := unitSettings(t)
	if !restarts(unit, syscall.WaitStatus(syscall.SIGHUP)) || !restarts(unit, syscall.WaitStatus(syscall.SIGPIPE)) {
		t.Error("systemd does not restart the service after SIGHUP or SIGPIPE")
	}
	command := strings.Join(unit["ExecStart"], " ")
	if !strings.Contains(command, `"trap '' HUP; exec /usr/bin/facesieve run `) {
		t.Errorf("ExecStart=%s does not ignore SIGHUP", command)
	}
	config := unreachableConfig(t)
	for _, command := range []string{`trap '' HUP; exec "$0" "$@"`, `exec "$0" "$@"`} {
		for _, delay := range []time.Duration{0, 5, 10, 20, 50} {
			t.Run(fmt.Sprintf("%s after %d ms", command[:4], delay), func(t *testing.T) {
				t.Parallel()
				c := startChild(t, nil, command, "run", "--config", config)
				testsupport.Eventually(t, "SIGHUP is ignored", func() bool { return c.ignores(syscall.SIGHUP) || c.hasEnded() })
				time.Sleep(delay * time.Millisecond)
				c.signal(syscall.SIGHUP)
				c.awaitLog(startedMessage)
				c.signal(syscall.SIGHUP)
				c.awaitLog(`"why":"SIGHUP"`)
				c.signal(syscall.SIGTERM)
				if status := c.status(); !status.Exited() || status.ExitStatus() != exitOK {
					t.Errorf("exit code %d, signal %v", status.ExitStatus(), status.Signal())
				}
			})
		}
	}
}

// SIGHUP of a closed terminal ends the other commands.
func TestOtherCommandsEndByHangup(t *testing.T) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // the child then does not inherit that nohup ignores it
	defer signal.Stop(hangups)
	c := startChild(t, nil, `exec "$0" "$@"`, "watch", "--broker", "tcp://"+freeport.Address(t))
	c.awaitLog("no broker at ")
	c.signal(syscall.SIGHUP)
	if status := c.status(); !status.Signaled() || status.Signal() != syscall.SIGHUP {
		t.Errorf("exit code %d, signal %v", status.ExitStatus(), status.Signal())
	}
}

// The daemon does not end when the reader of its log is gone.
func TestDaemonRunsWithoutAReaderOfItsLog(t *testing.T) {
	socket := listenAsSystemd(t)
	reader, writer, err := os.Pipe()
	testsupport.Must(t, err)
	c := newChild(t, nil, `exec "$0" "$@"`, "run", "--config", unreachableConfig(t))
	c.command.Stderr = writer
	c.start()
	testsupport.Must(t, writer.Close())
	testsupport.Eventually(t, "ready", func() bool { return strings.Contains(socket.text(), "READY=1") || c.hasEnded() })
	testsupport.Must(t, reader.Close())
	c.signal(syscall.SIGHUP) // each reload logs a line
	testsupport.Eventually(t, "a reload", func() bool {
		return strings.Contains(socket.text(), "RELOADING=1") || c.hasEnded()
	})
	c.signal(syscall.SIGTERM)
	if status := c.status(); !status.Exited() || status.ExitStatus() != exitOK {
		t.Errorf("exit code %d, signal %v", status.ExitStatus(), status.Signal())
	}
}
