package publishtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"facesieve/internal/freeport"
)

// Mosquitto is a real broker, on a port of the loopback.
type Mosquitto struct {
	Addr string // host:port
	Log  string // file

	path, config string
	process      *exec.Cmd
}

// StartMosquitto starts a broker with one listener and further lines of configuration. Its files are in dir. The test
// is skipped if mosquitto is not installed, and fails if the environment says CI.
func StartMosquitto(t *testing.T, dir string, lines ...string) *Mosquitto {
	t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path = "/usr/sbin/mosquitto"
		_, err = os.Stat(path)
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("mosquitto is not installed")
		}
		t.Skip("mosquitto is not installed: apt-get install mosquitto")
	}
	m := &Mosquitto{
		Addr: freeport.Address(t), Log: filepath.Join(dir, "mosquitto.log"),
		path: path, config: filepath.Join(dir, "mosquitto.conf"),
	}
	_, port, _ := net.SplitHostPort(m.Addr)
	head := []string{"listener " + port + " 127.0.0.1", "log_type all", "persistence false"}
	if os.Getuid() == 0 {
		head = append([]string{"user root"}, head...) // another user could not read the files of the test
	}
	if err := os.WriteFile(m.config, []byte(strings.Join(append(head, lines...), "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Kill(t)
		if t.Failed() {
			text, _ := os.ReadFile(m.Log)
			t.Logf("mosquitto:\n%s", text)
		}
	})
	m.Start(t)
	return m
}

// StartAnonymous starts a broker that accepts every client.
func StartAnonymous(t *testing.T) *Mosquitto {
	t.Helper()
	return StartMosquitto(t, t.TempDir(), "allow_anonymous true")
}

// URL is its address as a client writes it.
func (m *Mosquitto) URL() string { return "tcp://" + m.Addr }

// Start starts it, also after Kill or Stop, and waits until it accepts connections.
func (m *Mosquitto) Start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(m.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	m.process = exec.Command(m.path, "-c", m.config) //nolint:gosec // of a test
	m.process.Stdout, m.process.Stderr = log, log
	if err := m.process.Start(); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "mosquitto listens", func() bool {
		conn, err := net.DialTimeout("tcp", m.Addr, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// Kill ends it as a power cut would.
func (m *Mosquitto) Kill(t *testing.T) {
	t.Helper()
	if m.process == nil {
		return
	}
	if err := m.process.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = m.process.Wait() // killed: its status is not zero
	m.process = nil
}

// Stop ends it in order: with persistence, it first stores the messages of its sessions.
func (m *Mosquitto) Stop(t *testing.T) {
	t.Helper()
	if err := m.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	_ = m.process.Wait()
	m.process = nil
}

// Reload makes it read its configuration again.
func (m *Mosquitto) Reload(t *testing.T) {
	t.Helper()
	if err := m.process.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// Passwords writes a password file for one user to dir. It returns the lines of the configuration that require it.
func Passwords(t *testing.T, dir, user, password string) []string {
	t.Helper()
	file := filepath.Join(dir, "passwords")
	command := exec.Command("mosquitto_passwd", "-c", "-b", file, user, password) //nolint:gosec // of a test
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	return []string{"allow_anonymous false", fmt.Sprintf("password_file %s", file)}
}
