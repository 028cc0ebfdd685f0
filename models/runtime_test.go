package models

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// delegateLibrary compiles the delegate of testdata, which takes over every operation and calculates nothing.
func delegateLibrary(t *testing.T) string { return compiled(t, "delegate.c") }

// compiled returns a shared library of a file in testdata.
func compiled(t *testing.T, source string, flags ...string) string {
	t.Helper()
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "cc"
	}
	path := filepath.Join(t.TempDir(), "libdelegate.so")
	arguments := append([]string{"-shared", "-fPIC", "-o", path, filepath.Join("testdata", source)}, flags...)
	out, err := exec.Command(compiler, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// byDelegate returns a runtime with an external delegate.
func byDelegate(library string, options map[string]string) Runtime {
	rt := DefaultRuntime()
	rt.Delegate, rt.Library, rt.Options = DelegateExternal, library, options
	return rt
}

func builtIn(delegate string) Runtime {
	rt := DefaultRuntime()
	rt.Delegate = delegate
	return rt
}

// started runs Start on the tiny quality network. It returns the device that is used, why it is not the configured one,
// and the log.
func started(t *testing.T, rt Runtime) (device string, refusal error, log string, err error) {
	t.Helper()
	var written bytes.Buffer
	i, err := Start(testModel(t, "quality"), rt, zerolog.New(&written))
	if err != nil {
		return "", nil, written.String(), err
	}
	if err := i.SelfTest(); err != nil {
		t.Error(err)
	}
	_, device = i.Engine()
	return device, i.Refusal(), written.String(), i.Close()
}

func TestStart(t *testing.T) {
	for _, want := range []string{DelegateXNNPACK, DelegateNone} {
		delegate, refusal, log, err := started(t, builtIn(want))
		if err != nil || delegate != want || refusal != nil || !strings.Contains(log, "self-test passed") {
			t.Errorf("%s: delegate %q, %v, log %s", want, delegate, err, log)
		}
	}
}

// TestStartFallsBack tests that XNNPACK replaces a library that cannot be loaded, that is not a delegate, that rejects
// its options or that computes wrong values, and that Refusal contains its name and the reason.
func TestStartFallsBack(t *testing.T) {
	library := delegateLibrary(t)
	text := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(text, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		library string
		options map[string]string
		want    string
	}{
		"missing":      {filepath.Join(t.TempDir(), "gone.so"), nil, "cannot be loaded"},
		"text":         {text, nil, "cannot be loaded"},
		"no delegate":  {"libm.so.6", nil, "it is no TensorFlow Lite delegate"},
		"option":       {library, map[string]string{"mode": "refuse"}, "mode refuse was asked for"},
		"prepare":      {library, map[string]string{"mode": "broken"}, "the network is refused"},
		"wrong values": {library, map[string]string{"mode": "zeros", "other": "x"}, "the outputs differ from the right ones"},
	} {
		t.Run(name, func(t *testing.T) {
			delegate, refusal, _, err := started(t, byDelegate(test.library, test.options))
			if err != nil || delegate != DelegateXNNPACK || refusal == nil {
				t.Fatalf("delegate %q, %v, %v", delegate, refusal, err)
			}
			if text := refusal.Error(); !strings.Contains(text, test.want) || !strings.Contains(text, test.library) {
				t.Errorf("got %s, want %q", text, test.want)
			}
		})
	}
}

// TestStartExternal: a delegate that takes over no operation passes the self-test and is used.
func TestStartExternal(t *testing.T) {
	rt := byDelegate(delegateLibrary(t), map[string]string{"mode": "idle"})
	delegate, refusal, _, err := started(t, rt)
	if err != nil || delegate != DelegateExternal || refusal != nil {
		t.Errorf("delegate %q, %v, %v", delegate, refusal, err)
	}
}

// TestStartXNNPACKAsExternal: a delegate that computes is used with its options, and its outputs are those of XNNPACK to
// the bit, which those of the plain kernels are not.
func TestStartXNNPACKAsExternal(t *testing.T) {
	library := compiled(t, "xnnpack.c", "-ltensorflowlite_c")
	m, err := Embedded(TaskLandmarks)
	if err != nil {
		t.Fatal(err)
	}
	i, err := Start(m, byDelegate(library, map[string]string{"threads": "2"}), zerolog.Nop())
	if err != nil || i.Refusal() != nil || !i.External() {
		t.Fatal(err, i.Refusal())
	}
	defer i.Close()
	side := m.Manifest.Refinement.Side
	if err := i.Verify(side, side); err != nil {
		t.Error(err)
	}
	if n := differences(t, i, start(t, m, DelegateXNNPACK)); n != 0 {
		t.Errorf("%d values differ from those of XNNPACK", n)
	}
	if n := differences(t, i, start(t, m, DelegateNone)); n == 0 {
		t.Error("the plain kernels compute the same values, so this test proves nothing")
	}
	for _, options := range []map[string]string{{"threads": "many"}, {"speed": "2"}} {
		device, refusal, _, err := started(t, byDelegate(library, options))
		if err != nil || device != DelegateXNNPACK || refusal == nil || !strings.Contains(refusal.Error(), `"option `) {
			t.Errorf("%v: device %q, %v, %v", options, device, refusal, err)
		}
	}
}

// differences counts the output values of two interpreters that differ on a test image, at the size of the first.
func differences(t *testing.T, a, b *Interpreter) (n int) {
	t.Helper()
	width, height := a.Size()
	if err := errors.Join(b.Resize(width, height), a.runTestImage(0), b.runTestImage(0)); err != nil {
		t.Fatal(err)
	}
	for k := range a.Outputs() {
		x, y := a.Output(k).Data, b.Output(k).Data
		if len(x) == 0 || len(x) != len(y) {
			t.Fatalf("output %d has %d and %d values", k, len(x), len(y))
		}
		for at := range x {
			if x[at] != y[at] {
				n++
			}
		}
	}
	return n
}

func TestStartRefuses(t *testing.T) {
	_, _, _, err := started(t, builtIn("gpu"))
	if err == nil || !strings.Contains(err.Error(), `"gpu" is none of`) {
		t.Errorf("an unknown delegate: %v", err)
	}
	m := edited(t, "quality", func(m *Manifest) { m.SelfTest.Cases[0].Outputs[0][0] += 10 })
	_, err = Start(m, DefaultRuntime(), zerolog.Nop())
	if err == nil || !strings.Contains(err.Error(), "delegate xnnpack: models: self-test") {
		t.Errorf("wrong on the CPU: %v", err)
	}
}

// Under XNNPACK the self-test of a network runs once a process; other kernels are tested by every start.
func TestSelfTestOnce(t *testing.T) {
	m := testModel(t, "quality")
	i, err := Start(m, DefaultRuntime(), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	m.Manifest.SelfTest.Cases[0].Outputs[0][0] += 10
	for delegate, wrong := range map[string]bool{DelegateXNNPACK: false, DelegateNone: true} {
		i, err := Start(m, builtIn(delegate), zerolog.Nop())
		if (err != nil) != wrong {
			t.Errorf("%s: %v", delegate, err)
		}
		if i != nil {
			if err := i.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestRuntimeFaults(t *testing.T) {
	for want, change := range map[string]func(rt *Runtime){
		"threads: 0 is outside":                  func(rt *Runtime) { rt.Threads = 0 },
		"threads: -1 is outside 1..64\nengine: ": func(rt *Runtime) { *rt = Runtime{Threads: -1} },
		`delegate: "gpu" is none of`:             func(rt *Runtime) { rt.Delegate = "gpu" },
		`engine: "onnx" is none of`:              func(rt *Runtime) { rt.Engine = "onnx" },
		`device: "npu" is none of`:               func(rt *Runtime) { rt.Engine, rt.Device = EngineLiteRT, "npu" },
		"device: gpu is only for engine litert":  func(rt *Runtime) { rt.Device = DeviceGPU },
		`delegate: "none" is only for engine`:    func(rt *Runtime) { rt.Engine, rt.Delegate = EngineLiteRT, DelegateNone },
		"library: delegate external needs":       func(rt *Runtime) { rt.Delegate = DelegateExternal },
		`library: "a.so" is only for`:            func(rt *Runtime) { rt.Library = "a.so" },
		"options: are only for": func(rt *Runtime) {
			rt.Engine, rt.Options = EngineLiteRT, map[string]string{"a": "b"}
		},
		"options: an empty key": func(rt *Runtime) { *rt = byDelegate("a", map[string]string{"": "b"}) },
	} {
		rt := DefaultRuntime()
		change(&rt)
		if err := rt.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	for _, rt := range []Runtime{
		DefaultRuntime(), byDelegate("a", nil),
		{Threads: 2, Engine: EngineLiteRT, Delegate: DelegateXNNPACK, Device: DeviceGPU, Library: "a"},
	} {
		if err := rt.Validate(); err != nil {
			t.Errorf("%v: %v", rt, err)
		}
	}
}
