package models

import (
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// TestStartFindsLateDrift: a delegate whose first outputs are right and a later one is not is refused.
func TestStartFindsLateDrift(t *testing.T) {
	rt := Runtime{1, DelegateExternal, delegateLibrary(t), map[string]string{"mode": "third"}}
	for _, task := range []string{TaskDetector, TaskLandmarks, TaskQuality} {
		m, err := Embedded(task)
		if err != nil {
			t.Fatal(err)
		}
		i, err := Start(m, rt, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		if i.Delegate() != DelegateXNNPACK || !errors.Is(i.Refusal(), ErrDrift) {
			t.Errorf("%s: delegate %q, %v", task, i.Delegate(), i.Refusal())
		}
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestVerifyFindsDriftAtTheWorkingSize: outputs that are right at the size of the self-test are wrong at another.
func TestVerifyFindsDriftAtTheWorkingSize(t *testing.T) {
	library := delegateLibrary(t)
	m, err := Embedded(TaskDetector)
	if err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[string]string{
		"idle":  "",
		"large": "at 320x192 pixels, picture 0 for the 1. time: output",
	} {
		i, err := Start(m, Runtime{1, DelegateExternal, library, map[string]string{"mode": mode}}, zerolog.Nop())
		if err != nil || i.Refusal() != nil {
			t.Fatal(err, i.Refusal())
		}
		for range 2 { // each time it is asked
			err := i.Verify(320, 192)
			if want == "" && err != nil || want != "" && (!errors.Is(err, ErrDrift) || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: want %q, got %v", mode, want, err)
			}
		}
		if w, h := i.Size(); w != 320 || h != 192 {
			t.Errorf("size is %dx%d afterwards", w, h)
		}
		if err := i.Verify(33, 1); err == nil {
			t.Error("a size that the network does not take is taken")
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
