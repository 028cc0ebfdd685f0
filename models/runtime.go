package models

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Delegates: who does the arithmetic.
const (
	DelegateXNNPACK  = "xnnpack"  // optimised kernels for the CPU, part of the library
	DelegateExternal = "external" // a library of an accelerator (GPU, EdgeTPU, VX, Arm NN)
	DelegateNone     = "none"     // the plain kernels, several times slower; for comparisons
)

// Runtime says how networks are run.
type Runtime struct {
	Threads  int    `yaml:"threads"`  // 1..64
	Delegate string `yaml:"delegate"` // xnnpack, external or none
	// Library is the path of the external delegate, Options are handed to it as they are.
	Library string            `yaml:"library"`
	Options map[string]string `yaml:"options"`
}

// DefaultRuntime is XNNPACK on one thread.
func DefaultRuntime() Runtime { return Runtime{Threads: 1, Delegate: DelegateXNNPACK} }

// Validate returns every fault at once, each with its key.
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
