package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/logging"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/internal/freeport"
	"facesieve/publish"
	"facesieve/publish/event"
	"facesieve/publish/publishtest"
)

// notifySocket records the notifications that the program sends to systemd.
type notifySocket struct {
	publishtest.Log
}

// listenAsSystemd opens the socket for notifications and sets the environment as systemd does.
func listenAsSystemd(t *testing.T) *notifySocket {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	n := &notifySocket{}
	go func() {
		buffer := make([]byte, 4096)
		for {
			size, err := socket.Read(buffer)
			if err != nil {
				return
			}
			_, _ = n.Write(append(buffer[:size:size], '\n'))
		}
	}()
	return n
}

func (n *notifySocket) text() string { return n.String() }

// status returns the last status line.
func (n *notifySocket) status() string {
	text := n.text()
	_, line, _ := strings.Cut(text[max(0, strings.LastIndex(text, "STATUS=")):], "STATUS=")
	line, _, _ = strings.Cut(line, "\n")
	return line
}

// testDaemon is facesieve run, and a subscriber that records its messages.
type testDaemon struct {
	t       *testing.T
	config  string
	address string
	mqtt    string
	systemd *notifySocket
	log     publishtest.Log
	code    chan int
	stop    context.CancelFunc

	mutex  sync.Mutex
	events []event.Face
	states map[string]string
	texts  []string // all messages, JSON
}

// embeddedBroker returns the keys of an mqtt section with the embedded broker.
func embeddedBroker(address string) string { return "broker: embedded, listen: '" + address + "'" }

// startTestDaemon runs the daemon with its embedded broker and this configuration until the test ends.
func startTestDaemon(t *testing.T, configuration string) *testDaemon {
	t.Helper()
	address := freeport.Address(t)
	return startDaemonOn(t, address, embeddedBroker(address), configuration)
}

// startDaemonOn runs the daemon with this mqtt section until the test ends, and subscribes to the broker at an address.
func startDaemonOn(t *testing.T, address, mqtt, configuration string) *testDaemon {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	d := &testDaemon{
		t: t, config: filepath.Join(t.TempDir(), "facesieve.yaml"), address: address, mqtt: mqtt, systemd: listenAsSystemd(t),
		code: make(chan int, 1), stop: stop, states: map[string]string{},
	}
	d.write(configuration)
	go func() { d.code <- run(ctx, []string{"run", "--config", d.config}, &d.log, &d.log) }()
	subscribed := make(chan struct{})
	watching, unsubscribe := context.WithCancel(context.Background())
	go func() {
		defer close(subscribed)
		d.subscribe(watching)
	}()
	t.Cleanup(func() {
		stop()
		select {
		case code := <-d.code:
			if code != exitOK && !t.Failed() {
				t.Errorf("exit code %d", code)
			}
		case <-time.After(testsupport.Timeout):
			t.Error("the daemon does not end")
		}
		unsubscribe()
		<-subscribed
		if t.Failed() {
			t.Logf("log:\n%s\nsystemd:\n%s", d.log.String(), d.systemd.text())
		}
	})
	testsupport.Eventually(t, "ready", func() bool {
		return strings.Contains(d.systemd.text(), "READY=1") || len(d.code) > 0
	})
	return d
}

// write replaces the configuration file, as an editor does.
func (d *testDaemon) write(configuration string) {
	d.t.Helper()
	text := fmt.Sprintf("device: pole\nlog: {level: debug, format: json}\nmqtt: {%s}\noutbox: {store: memory}\n%s",
		d.mqtt, configuration)
	err := os.WriteFile(d.config+".new", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(d.config+".new", d.config)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *testDaemon) subscribe(ctx context.Context) {
	cfg := publish.Default()
	cfg.Broker, cfg.Root = "tcp://"+d.address, "facesieve/pole"
	cfg.User, cfg.Password = config.Secret("FACESIEVE_MQTT_USER"), publish.Secret(config.Secret("FACESIEVE_MQTT_PASSWORD"))
	_ = publish.Subscribe(ctx, cfg, publish.Handler{
		Face: func(e event.Face) {
			d.mutex.Lock()
			defer d.mutex.Unlock()
			d.events = append(d.events, e)
			d.keep(e)
		},
		State: func(s event.State) {
			d.mutex.Lock()
			defer d.mutex.Unlock()
			d.states[s.Camera] = s.State
			d.keep(s)
		},
		Removed: func(_, camera string) {
			d.mutex.Lock()
			defer d.mutex.Unlock()
			d.states[camera] = "removed"
		},
	}, logging.New(config.Log{Level: "error"}, &d.log))
}

func (d *testDaemon) keep(message any) {
	text, err := json.Marshal(message)
	if err != nil {
		d.t.Error(err)
	}
	d.texts = append(d.texts, string(text))
}

// messages returns all messages so far, as JSON.
func (d *testDaemon) messages() []string {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return slices.Clone(d.texts)
}

// faces returns the number of events of a camera so far.
func (d *testDaemon) faces(camera string) (n int) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	for _, e := range d.events {
		if e.Camera == camera {
			n++
		}
	}
	return n
}

func (d *testDaemon) state(camera string) string {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.states[camera]
}

// logged returns the number of lines of the log that contain all texts.
func (d *testDaemon) logged(texts ...string) (n int) {
lines:
	for line := range strings.Lines(d.log.String()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		n++
	}
	return n
}

func (d *testDaemon) awaitLog(texts ...string) {
	d.t.Helper()
	testsupport.Eventually(d.t, "in the log: "+strings.Join(texts, ", "), func() bool { return d.logged(texts...) > 0 })
}
