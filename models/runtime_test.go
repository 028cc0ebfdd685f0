package models

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// delegateLibrary compiles the delegate of testdata, which takes over every operation and calculates nothing.
func delegateLibrary(t *testing.T) string {
	t.Helper()
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "cc"
	}
	path := filepath.Join(t.TempDir(), "libdelegate.so")
	source := filepath.Join("testdata", "delegate.c")
	out, err := exec.Command(compiler, "-shared", "-fPIC", "-o", path, source).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// started runs Start on the tiny quality network. It returns the delegate that is used, why it is not the configured
// one, and the log.
func started(t *testing.T, rt Runtime) (delegate string, refusal error, log string, err error) {
	t.Helper()
	var written bytes.Buffer
	i, err := Start(testModel(t, "quality"), rt, zerolog.New(&written))
	if err != nil {
		return "", nil, written.String(), err
	}
	if err := i.SelfTest(); err != nil {
		t.Error(err)
	}
	delegate, refusal = i.Delegate(), i.Refusal()
	return delegate, refusal, written.String(), i.Close()
}

func TestStart(t *testing.T) {
	for _, want := range []string{DelegateXNNPACK, DelegateNone} {
		delegate, refusal, log, err := started(t, Runtime{Threads: 1, Delegate: want})
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
			delegate, refusal, _, err := started(t, Runtime{1, DelegateExternal, test.library, test.options})
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
	rt := Runtime{1, DelegateExternal, delegateLibrary(t), map[string]string{"mode": "idle"}}
	delegate, refusal, _, err := started(t, rt)
	if err != nil || delegate != DelegateExternal || refusal != nil {
		t.Errorf("delegate %q, %v, %v", delegate, refusal, err)
	}
}

func TestStartRefuses(t *testing.T) {
	_, _, _, err := started(t, Runtime{Threads: 1, Delegate: "gpu"})
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
		i, err := Start(m, Runtime{Threads: 1, Delegate: delegate}, zerolog.Nop())
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
	for want, rt := range map[string]Runtime{
		"threads: 0 is outside":            {Threads: 0, Delegate: DelegateXNNPACK},
		`delegate: "gpu" is none of`:       {Threads: 1, Delegate: "gpu"},
		"library: delegate external needs": {Threads: 1, Delegate: DelegateExternal},
		`library: "a.so" is only for`:      {Threads: 1, Delegate: DelegateNone, Library: "a.so"},
		"options: are only for":            {Threads: 1, Delegate: DelegateNone, Options: map[string]string{"a": "b"}},
		"options: an empty key": {
			Threads: 1, Delegate: DelegateExternal, Library: "a", Options: map[string]string{"": "b"},
		},
		"threads: -1 is outside 1..64\ndelegat": {Threads: -1},
	} {
		if err := rt.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if err := DefaultRuntime().Validate(); err != nil {
		t.Error(err)
	}
}
