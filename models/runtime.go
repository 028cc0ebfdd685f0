package models

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/rs/zerolog"
)

// Delegates: the part of the library that computes the operations of a network.
const (
	DelegateXNNPACK  = "xnnpack"  // optimised kernels for the CPU, part of the library
	DelegateExternal = "external" // the library of an accelerator (GPU, EdgeTPU, VX, Arm NN)
	DelegateNone     = "none"     // the plain kernels, several times slower; for comparisons
)

// Runtime configures how networks are run.
type Runtime struct {
	Threads  int    `yaml:"threads"`  // 1..64
	Delegate string `yaml:"delegate"` // xnnpack, external or none
	// Library is the path of the external delegate, which receives Options unchanged.
	Library string            `yaml:"library"`
	Options map[string]string `yaml:"options"`
}

// DefaultRuntime returns XNNPACK on one thread.
func DefaultRuntime() Runtime { return Runtime{Threads: 1, Delegate: DelegateXNNPACK} }

// Validate returns all faults, each with its key.
func (rt Runtime) Validate() error {
	var f faults
	f.check(rt.Threads >= 1 && rt.Threads <= 64, "threads", "%d is outside 1..64", rt.Threads)
	known := []string{DelegateXNNPACK, DelegateExternal, DelegateNone}
	f.check(slices.Contains(known, rt.Delegate), "delegate", "%q is none of %q", rt.Delegate, known)
	external := rt.Delegate == DelegateExternal
	f.check(!external || rt.Library != "", "library", "delegate external needs the path of its library")
	f.check(external || rt.Library == "", "library", "%q is only for delegate external", rt.Library)
	f.check(external || len(rt.Options) == 0, "options", "are only for delegate external")
	for _, key := range slices.Sorted(maps.Keys(rt.Options)) {
		f.check(key != "", "options", "an empty key")
	}
	return errors.Join(f.list...)
}

// OnCPU returns the runtime that replaces one with an external delegate.
func (rt Runtime) OnCPU() Runtime { return Runtime{Threads: rt.Threads, Delegate: DelegateXNNPACK} }

// describe names the delegate for messages.
func (rt Runtime) describe() string {
	if rt.Delegate == DelegateExternal {
		return fmt.Sprintf("external delegate %s", rt.Library)
	}
	return "delegate " + rt.Delegate
}

// Start returns an interpreter that has passed its self-test, or, under XNNPACK, of a network that has passed it in this
// process. If an external delegate cannot be loaded, fails or
// drifts, the interpreter uses XNNPACK on the CPU instead, and its Refusal returns the reason, which the caller must
// report. Any other failure is an error. The caller must also test an external delegate with Verify at each input size
// that it uses.
func Start(m *Model, rt Runtime, log zerolog.Logger) (*Interpreter, error) {
	if err := rt.Validate(); err != nil {
		return nil, fmt.Errorf("models: runtime: %w", err)
	}
	i, err := startTested(m, rt)
	if err != nil && rt.Delegate == DelegateExternal {
		refusal := err
		if i, err = startTested(m, rt.OnCPU()); err == nil {
			i.refusal = refusal
		}
	}
	if err != nil {
		return nil, err
	}
	log.Info().Str("model", m.Manifest.Name).Str("version", m.Manifest.Version).Str("source", m.Source).
		Str("delegate", i.Delegate()).Int("threads", rt.Threads).Msg("network is ready, self-test passed")
	return i, nil
}

func startTested(m *Model, rt Runtime) (*Interpreter, error) {
	i, err := NewInterpreter(m, rt)
	if err != nil {
		return nil, err
	}
	rounds := 1
	switch {
	case rt.Delegate == DelegateExternal:
		rounds = externalRounds
	case rt.Delegate == DelegateXNNPACK && m.tested.Load():
		rounds = 0
	}
	for range rounds {
		if err := i.SelfTest(); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", rt.describe(), err), i.Close())
		}
	}
	if rt.Delegate == DelegateXNNPACK {
		m.tested.Store(true)
	}
	return i, nil
}
