package publish

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
)

// mosquitto is the real broker, on a port of the loopback that was free a moment ago.
type mosquitto struct {
	path, config, addr string
	process            *exec.Cmd
	log                string // file
}

// startMosquitto writes a configuration of a listener with the given further lines and starts the broker with it. Files
// lie in dir.
func startMosquitto(t *testing.T, dir string, lines ...string) *mosquitto {
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
	m := &mosquitto{path: path, addr: freeAddr(t), config: filepath.Join(dir, "mosquitto.conf"), log: filepath.Join(dir, "mosquitto.log")}
	_, port, _ := net.SplitHostPort(m.addr)
	head := []string{"listener " + port + " 127.0.0.1", "log_type all", "persistence false"}
	if os.Getuid() == 0 {
		head = append([]string{"user root"}, head...) // it would become another user, who may not read the files of the test
	}
	if err := os.WriteFile(m.config, []byte(strings.Join(append(head, lines...), "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.kill(t)
		if t.Failed() {
			text, _ := os.ReadFile(m.log)
			t.Logf("mosquitto:\n%s", text)
		}
	})
	m.start(t)
	return m
}

// anonymous is a plain broker for everybody.
func anonymous(t *testing.T) *mosquitto {
	t.Helper()
	return startMosquitto(t, t.TempDir(), "allow_anonymous true")
}

func (m *mosquitto) url() string { return "tcp://" + m.addr }

// start starts it, again after kill, and waits until it accepts connections.
func (m *mosquitto) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(m.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	m.process = exec.Command(m.path, "-c", m.config)
	m.process.Stdout, m.process.Stderr = log, log
	if err := m.process.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "mosquitto listens", func() bool {
		conn, err := net.DialTimeout("tcp", m.addr, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// kill ends it as a power cut would.
func (m *mosquitto) kill(t *testing.T) {
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

// stop ends it in order: it writes down what it owes if it has persistence.
func (m *mosquitto) stop(t *testing.T) {
	t.Helper()
	if err := m.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	_ = m.process.Wait()
	m.process = nil
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// passwords writes a password file for one user and returns the lines that make mosquitto ask for it.
func passwords(t *testing.T, dir, user, password string) []string {
	t.Helper()
	file := filepath.Join(dir, "passwords")
	if out, err := exec.Command("mosquitto_passwd", "-c", "-b", file, user, password).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	return []string{"allow_anonymous false", fmt.Sprintf("password_file %s", file)}
}
