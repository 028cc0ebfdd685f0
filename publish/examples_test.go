package publish

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facesieve/publish/event"
	"facesieve/publish/event/eventtest"
	"facesieve/publish/publishtest"
)

func TestExampleInGo(t *testing.T) {
	t.Parallel()
	broker := publishtest.StartAnonymous(t)
	binary := filepath.Join(t.TempDir(), "subscriber")
	if out, err := exec.Command("go", "build", "-o", binary, "./event/examples").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	checkExample(t, broker, binary, broker.URL())
}

func TestExampleInPython(t *testing.T) {
	t.Parallel()
	python, script := pythonExample(t, "subscriber.py")
	broker := publishtest.StartAnonymous(t)
	host, port, _ := net.SplitHostPort(broker.Addr)
	checkExample(t, broker, python, script, host, port)
}

func TestRecogniserInGo(t *testing.T) {
	t.Parallel()
	broker := publishtest.StartAnonymous(t)
	binary := filepath.Join(t.TempDir(), "recogniser")
	if out, err := exec.Command("go", "build", "-o", binary, "./event/examples/recogniser").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	checkRecogniser(t, broker, binary, broker.URL())
}

func TestRecogniserInPython(t *testing.T) {
	t.Parallel()
	python, script := pythonExample(t, "recogniser.py")
	broker := publishtest.StartAnonymous(t)
	host, port, _ := net.SplitHostPort(broker.Addr)
	checkRecogniser(t, broker, python, script, host, port)
}

// checkRecogniser runs an example of a recogniser, whose command accepts a JPEG. It must report a match.
func checkRecogniser(t *testing.T, broker *publishtest.Mosquitto, command ...string) {
	t.Helper()
	command = append(command, "test 1", "sh", "-c", `head -c 2 | od -An -tx1 | grep -q "ff d8"`)
	example := exec.Command(command[0], command[1:]...)
	var output publishtest.Log
	example.Stdout, example.Stderr = &output, &output
	if err := example.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = example.Process.Kill()
		_ = example.Wait() // killed: its status is not zero
		if t.Failed() {
			t.Log(output.String())
		}
	}()
	p := mustOpen(t, testConfig(broker.URL()), quick())
	got := &reports{}
	p.OnFeedback(got.add)
	publishtest.Eventually(t, "a report", func() bool { // faces are not retained: repeat until the example has subscribed
		if err := p.Publish(eventtest.Face("door", 7)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		return len(got.received()) > 0
	})
	m := got.received()[0]
	f, err := event.DecodeFeedback(m.Payload)
	if err != nil || m.Camera != "door" || f.Outcome != event.OutcomeMatch || f.Recogniser != "test 1" {
		t.Errorf("%+v %v", f, err)
	}
}

// pythonExample returns the interpreter and the path of an example. It skips the test where paho-mqtt is not installed.
func pythonExample(t *testing.T, name string) (python, script string) {
	t.Helper()
	python, err1 := filepath.Abs("../.venv/bin/python")
	script, err2 := filepath.Abs("event/examples/" + name)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if out, err := exec.Command(python, "-c", "import paho.mqtt.client").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Skipf("paho-mqtt is not installed: .setup/python installs it: %v", err)
	}
	return python, script
}

// checkExample runs a subscriber. It must show and save a face of a publisher, one of a later program and one of a
// device with schema version 2, and refuse another schema version.
func checkExample(t *testing.T, broker *publishtest.Mosquitto, command ...string) {
	t.Helper()
	dir := t.TempDir()
	output := filepath.Join(dir, "output")
	file, err := os.Create(output)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	example := exec.Command(command[0], command[1:]...)
	example.Dir, example.Stdout, example.Stderr = dir, file, file
	if err := example.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = example.Process.Kill()
		_ = example.Wait() // killed: its status is not zero
	}()
	text := func() string {
		text, err := os.ReadFile(output)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	later := publishtest.Record(t, broker.URL(), "facesieve/later/door/face")
	p := mustOpen(t, testConfig(broker.URL()), quick())
	future := strings.Replace(string(eventtest.FromTheFuture(t, []byte(golden(t)))), `"gate"`, `"later"`, 1)
	old := strings.Replace(version2(t, "face"), `"gate"`, `"old"`, 1)
	next := strings.Replace(golden(t), `"schema":3`, `"schema":4`, 1)
	id, err := event.NewID()
	if err != nil {
		t.Fatal(err)
	}
	face := eventtest.Face("door", 7)
	face.ID = id
	defer func() {
		if t.Failed() {
			t.Log(text())
		}
	}()
	// Faces are not retained: repeat them until the example has subscribed.
	publishtest.Eventually(t, "all received", func() bool {
		if err := p.Publish(face); err != nil {
			t.Fatal(err)
		}
		later.Send(t, "facesieve/later/door/face", future, false)
		later.Send(t, "facesieve/later/door/face", old, false)
		later.Send(t, "facesieve/later/door/face", next, false)
		time.Sleep(50 * time.Millisecond)
		return strings.Contains(text(), "gate/door: visit 01955178-6c9b-7d12-9a41-3f0c6a5b1e27, score 71.5") &&
			strings.Contains(text(), "later/door: visit 01955178-6c9b-7d12-9a41-3f0c6a5b1e27, score 71.5") &&
			strings.Contains(text(), "old/door: visit unknown, score 71.5") &&
			strings.Contains(text(), "unknown schema version 4")
	})
	image, err := os.ReadFile(filepath.Join(dir, id+".jpeg"))
	if err != nil || !bytes.Equal(image, eventtest.JPEG()) {
		t.Errorf("%d bytes, %v", len(image), err)
	}
}
