package models

import (
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// TestSelfTest compares both networks on both kinds of kernels with the outputs of the interpreter in Python.
func TestSelfTest(t *testing.T) {
	for _, name := range []string{"quality", "detector"} {
		for _, delegate := range []string{DelegateXNNPACK, DelegateNone} {
			if err := start(t, testModel(t, name), delegate).SelfTest(); err != nil {
				t.Errorf("%s with %s: %v", name, delegate, err)
			}
		}
	}
}

func TestSelfTestKeepsSize(t *testing.T) {
	i := start(t, testModel(t, "detector"), DelegateXNNPACK)
	if err := errors.Join(i.Resize(320, 192), i.SelfTest()); err != nil {
		t.Fatal(err)
	}
	if w, h := i.Size(); w != 320 || h != 192 {
		t.Errorf("size is %dx%d after the self-test", w, h)
	}
}

func TestSelfTestFindsDrift(t *testing.T) {
	m := edited(t, "quality", func(m *Manifest) { m.SelfTest.Cases[1].Outputs[1][2] += 10 })
	err := start(t, m, DelegateXNNPACK).SelfTest()
	if !errors.Is(err, ErrDrift) || !strings.Contains(err.Error(), "image 1: output 1 (") {
		t.Errorf("got %v", err)
	}
	m = edited(t, "quality", func(m *Manifest) { m.SelfTest.Cases[0].Outputs[0] = []float64{1} })
	err = start(t, m, DelegateXNNPACK).SelfTest()
	if err == nil || !strings.Contains(err.Error(), "has 4 values, the manifest 1") {
		t.Errorf("got %v", err)
	}
}

// TestStartFindsLateDrift tests that a delegate is rejected if its first outputs are correct and a later one is not.
func TestStartFindsLateDrift(t *testing.T) {
	rt := byDelegate(delegateLibrary(t), map[string]string{"mode": "third"})
	for _, task := range []string{TaskDetector, TaskLandmarks, TaskQuality} {
		m, err := Embedded(task)
		if err != nil {
			t.Fatal(err)
		}
		i, err := Start(m, rt, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		if i.External() || !errors.Is(i.Refusal(), ErrDrift) {
			t.Errorf("%s: external %v, %v", task, i.External(), i.Refusal())
		}
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestVerifyFindsDriftAtTheWorkingSize tests a delegate whose outputs are correct only at the size of the self-test.
func TestVerifyFindsDriftAtTheWorkingSize(t *testing.T) {
	library := delegateLibrary(t)
	m, err := Embedded(TaskDetector)
	if err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[string]string{
		"idle":  "",
		"large": "at 320x192 pixels, image 0, round 1: output",
	} {
		i, err := Start(m, byDelegate(library, map[string]string{"mode": mode}), zerolog.Nop())
		if err != nil || i.Refusal() != nil {
			t.Fatal(err, i.Refusal())
		}
		for range 2 { // Verify can be called repeatedly
			err := i.Verify(320, 192)
			if want == "" && err != nil ||
				want != "" && (!errors.Is(err, ErrDrift) || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: want %q, got %v", mode, want, err)
			}
		}
		if w, h := i.Size(); w != 320 || h != 192 {
			t.Errorf("size is %dx%d afterwards", w, h)
		}
		if err := i.Verify(33, 1); err == nil {
			t.Error("no error for a size that the network does not support")
		}
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	}
	cpu := start(t, m, DelegateXNNPACK)
	if err := cpu.Verify(320, 192); err != nil {
		t.Error(err)
	}
	if w, h := cpu.Size(); w != 320 || h != 192 {
		t.Errorf("size is %dx%d on the CPU", w, h)
	}
}
