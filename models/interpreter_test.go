package models

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func start(t testing.TB, m *Model, delegate string) *Interpreter {
	t.Helper()
	i, err := NewInterpreter(m, builtIn(delegate))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	return i
}

// TestShipped runs the self-test of every shipped network, and requires its model card.
func TestShipped(t *testing.T) {
	files, err := filepath.Glob("*.tflite")
	if err != nil || len(files) < 2 {
		t.Fatalf("found %v, %v", files, err)
	}
	for _, file := range files {
		m, err := Load(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := start(t, m, DelegateXNNPACK).SelfTest(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if _, err := os.Stat(strings.TrimSuffix(file, ".tflite") + ".md"); err != nil {
			t.Error(err)
		}
	}
}

// TestResize compares XNNPACK with the plain kernels at several sizes in turn.
func TestResize(t *testing.T) {
	m := testModel(t, "detector")
	fast, plain := start(t, m, DelegateXNNPACK), start(t, m, DelegateNone)
	for _, size := range [][2]int{{64, 64}, {640, 384}, {32, 32}, {320, 192}, {96, 640}, {64, 64}} {
		width, height := size[0], size[1]
		image := make([]byte, width*height*3)
		SelfTestImage(image, width, height, 1)
		for _, i := range []*Interpreter{fast, plain} {
			if err := errors.Join(i.Resize(width, height), i.SetPixels(image), i.Invoke()); err != nil {
				t.Fatal(err)
			}
		}
		for k := range fast.Outputs() {
			a, b := fast.Output(k), plain.Output(k)
			if len(a.Data) != len(b.Data) || len(a.Data) != product(a.Shape) || len(a.Data) == 0 {
				t.Fatalf("%dx%d, output %d: %d and %d values", width, height, k, len(a.Data), len(b.Data))
			}
			for n := range a.Data {
				if d := math.Abs(a.Real(n) - b.Real(n)); d > 2.5*a.Scale {
					t.Fatalf("%dx%d, output %d, value %d: %g and %g", width, height, k, n, a.Real(n), b.Real(n))
				}
			}
		}
	}
	if err := fast.SelfTest(); err != nil {
		t.Error(err)
	}
}

// TestInterpreterRefuses: a manifest that does not match its network is an error before the first image.
func TestInterpreterRefuses(t *testing.T) {
	for want, test := range map[string]struct {
		name   string
		change func(m *Manifest)
	}{
		"input has shape [1 16 16 3], the manifest has [1 8 16 3]": {"quality", func(m *Manifest) {
			m.Input.Height, m.SelfTest.Height = 8, 8
		}},
		"input has scale 0.0078125 and zero point 0": {"quality", func(m *Manifest) { m.Input.Scale = 0.01 }},
		"(total) has shape [1 4], the manifest has [1 5]": {"quality", func(m *Manifest) {
			m.Outputs[1].Name, m.Outputs[1].Shape[1] = "total", 5
		}},
		"and zero point":                {"quality", func(m *Manifest) { m.Outputs[0].ZeroPoint++ }},
		"2 outputs, the manifest has 1": {"quality", func(m *Manifest) { m.Outputs = m.Outputs[:1] }},
		"has shape [1 4 4 1], the manifest has": {"detector", func(m *Manifest) {
			m.Detector.Cls[0], m.Detector.Cls[1] = m.Detector.Cls[1], m.Detector.Cls[0]
		}},
	} {
		i, err := NewInterpreter(edited(t, test.name, test.change), DefaultRuntime())
		if i != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestForeignBytes passes bytes that verify refuses to the C library: it must return an error and not crash.
func TestForeignBytes(t *testing.T) {
	m := testModel(t, "quality")
	good, err := io.ReadAll(io.NewSectionReader(m.file, 0, maxModelBytes))
	if err != nil {
		t.Fatal(err)
	}
	badOffset := append([]byte("\xff\xff\xff\x7fTFL3"), good[8:]...)
	for _, bytes := range [][]byte{nil, []byte("12345678TFL3"), good[:len(good)/2], badOffset} {
		if m.file, err = anonymousFile(bytes); err != nil {
			t.Fatal(err)
		}
		if i, err := NewInterpreter(m, DefaultRuntime()); err == nil || i != nil {
			t.Errorf("%d foreign bytes were accepted", len(bytes))
		}
	}
}

func TestMisuse(t *testing.T) {
	i := start(t, testModel(t, "detector"), DelegateXNNPACK)
	want := "5 bytes of pixels for an input of 64x64"
	if err := i.SetPixels(make([]byte, 5)); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("too few pixels: %v", err)
	}
	for _, size := range [][2]int{{0, 64}, {64, -32}, {33, 64}, {64, 1 << 20}} {
		if err := i.Resize(size[0], size[1]); err == nil {
			t.Errorf("resize to %v is accepted", size)
		}
	}
	if err := i.SelfTest(); err != nil {
		t.Errorf("after refused sizes: %v", err)
	}
	if out := i.Output(99); out.Data != nil {
		t.Error("output 99 has data")
	}
	if err := errors.Join(i.Close(), i.Close()); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"Invoke": i.Invoke(), "SetPixels": i.SetPixels(nil), "Resize": i.Resize(64, 64), "SelfTest": i.SelfTest(),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if out := i.Output(0); out.Data != nil {
		t.Error("data after Close")
	}
}

// TestPixels compares the three conversions with the formula, at lengths around the step of the fast one.
func TestPixels(t *testing.T) {
	in := testModel(t, "quality").Manifest.Input
	for name, change := range map[string]func(in *Input){
		"flip":  func(*Input) {},
		"table": func(in *Input) { in.Mean, in.Std, in.Scale, in.ZeroPoint = 127.5, 127.5, 1.0/127, -1 },
		"swap":  func(in *Input) { in.Color = "RGB" },
	} {
		in := in
		change(&in)
		p := newPixels(in)
		if p.flip != (name == "flip") {
			t.Errorf("%s: flip is %v", name, p.flip)
		}
		for _, n := range []int{0, 3, 15, 48, 51, 768} {
			src, dst := make([]byte, n), make([]byte, n)
			for i := range src {
				src[i] = byte(i*7 + n)
			}
			p.fill(dst, src)
			for i := range src {
				from := i
				if name == "swap" {
					from = i - i%3 + 2 - i%3
				}
				want := math.Round((float64(src[from])-in.Mean)/in.Std/in.Scale) + float64(in.ZeroPoint)
				if got := float64(int8(dst[i])); got != max(-128, min(127, want)) {
					t.Fatalf("%s, %d bytes: value %d is %g instead of %g", name, n, i, got, want)
				}
			}
		}
	}
}

// resident returns the resident memory of this process in bytes.
func resident(t *testing.T) int {
	t.Helper()
	debug.FreeOSMemory() // networks of other tests are not a leak
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// TestInterpretersShareTheNetwork verifies that all interpreters of a Model map the same file, which nobody can change.
func TestInterpretersShareTheNetwork(t *testing.T) {
	m := testModel(t, "detector")
	start(t, m, DelegateXNNPACK)
	start(t, m, DelegateXNNPACK)
	var file unix.Stat_t
	if err := unix.Fstat(int(m.file.Fd()), &file); err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(maps), fmt.Sprintf(" %d ", file.Ino)); n != 2 {
		t.Errorf("%d mappings of the file for two interpreters", n)
	}
	if _, err := m.file.WriteAt([]byte{0}, 0); err == nil {
		t.Error("the file can be changed")
	}
}

// TestNoLeak creates and closes many interpreters; the memory of the networks must be freed.
func TestNoLeak(t *testing.T) {
	m := testModel(t, "detector")
	cycle := func(n int) {
		for range n {
			i, err := NewInterpreter(m, DefaultRuntime())
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(i.SelfTest(), i.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	const n = 1000
	cycle(n)
	info, err := m.file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	before := resident(t)
	cycle(n)
	if grown := resident(t) - before; grown > n*int(info.Size())/2 {
		t.Errorf("%d interpreters left %d KiB behind", n, grown>>10)
	}
}

// TestQuiet runs the self-test in a process of its own: the C library writes nothing to its standard error.
func TestQuiet(t *testing.T) {
	if os.Getenv("FACESIEVE_QUIET_CHILD") != "" {
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestSelfTest$")
	child.Env = append(os.Environ(), "FACESIEVE_QUIET_CHILD=1")
	var stderr strings.Builder
	child.Stderr = &stderr
	if err := child.Run(); err != nil || stderr.Len() > 0 {
		t.Errorf("%v, standard error: %q", err, stderr.String())
	}
}

// go-tflite keeps references to a closed interpreter. They must not keep the network, which has megabytes.
func TestClosedInterpretersAreFreed(t *testing.T) {
	freed := make(chan struct{})
	func() {
		i, err := NewInterpreter(testModel(t, "quality"), DefaultRuntime())
		if err != nil {
			t.Fatal(err)
		}
		runtime.AddCleanup(i, func(done chan struct{}) { close(done) }, freed)
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	for range 100 {
		runtime.GC()
		select {
		case <-freed:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the interpreter is still held")
}
