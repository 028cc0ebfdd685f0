package models

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"facesieve/models/litert"
)

// Engines: the libraries that run networks.
const (
	EngineTFLite = "tflite" // TensorFlow Lite, linked with the program
	EngineLiteRT = "litert" // its successor, loaded from its files, for a GPU over Vulkan
)

// Devices of LiteRT.
const (
	DeviceCPU = "cpu"
	DeviceGPU = "gpu"
)

// Delegates: the part of TensorFlow Lite that computes the operations of a network.
const (
	DelegateXNNPACK  = "xnnpack"  // optimised kernels for the CPU, part of the library
	DelegateExternal = "external" // the library of an accelerator (GPU, EdgeTPU, VX, Arm NN)
	DelegateNone     = "none"     // the plain kernels, several times slower; for comparisons
)

// litertLibrary is where LiteRT is installed.
const litertLibrary = "/usr/lib/facesieve/libLiteRt.so"

// Runtime configures how networks are run.
type Runtime struct {
	Threads  int    `yaml:"threads"`  // of the CPU, 1..64
	Engine   string `yaml:"engine"`   // tflite or litert
	Delegate string `yaml:"delegate"` // of tflite: xnnpack, external or none
	Device   string `yaml:"device"`   // of litert: cpu or gpu
	// Library is the path of the external delegate, which receives Options unchanged, or that of libLiteRt.so, beside which
	// its accelerators are; empty for the installed LiteRT.
	Library string            `yaml:"library"`
	Options map[string]string `yaml:"options"`
}

// DefaultRuntime returns TensorFlow Lite with XNNPACK on one thread.
func DefaultRuntime() Runtime { return Runtime{Threads: 1}.OnCPU() }

// Validate returns all faults, each with its key.
func (rt Runtime) Validate() error {
	var f faults
	f.check(rt.Threads >= 1 && rt.Threads <= 64, "threads", "%d is outside 1..64", rt.Threads)
	f.oneOf("engine", rt.Engine, EngineTFLite, EngineLiteRT)
	f.oneOf("delegate", rt.Delegate, DelegateXNNPACK, DelegateExternal, DelegateNone)
	f.oneOf("device", rt.Device, DeviceCPU, DeviceGPU)
	litert, external := rt.Engine == EngineLiteRT, rt.Delegate == DelegateExternal
	f.check(!litert || rt.Delegate == DelegateXNNPACK, "delegate", "%q is only for engine tflite", rt.Delegate)
	f.check(litert || rt.Device != DeviceGPU, "device", "gpu is only for engine litert; tflite uses delegate external")
	f.check(litert || !external || rt.Library != "", "library", "delegate external needs the path of its library")
	f.check(rt.External() || rt.Library == "", "library", "%q is only for delegate external and engine litert", rt.Library)
	f.check(external || len(rt.Options) == 0, "options", "are only for delegate external")
	for _, key := range slices.Sorted(maps.Keys(rt.Options)) {
		f.check(key != "", "options", "an empty key")
	}
	return errors.Join(f.list...)
}

// External reports whether a library runs the networks that is not part of the program: LiteRT, or an external delegate.
// It may be missing or compute wrong values: it is tested against OnCPU, which replaces it if necessary.
func (rt Runtime) External() bool {
	return rt.Engine == EngineLiteRT || rt.Delegate == DelegateExternal
}

// OnCPU returns TensorFlow Lite with XNNPACK, which replaces an external runtime.
func (rt Runtime) OnCPU() Runtime {
	return Runtime{Threads: rt.Threads, Engine: EngineTFLite, Delegate: DelegateXNNPACK, Device: DeviceCPU}
}

// String names the part that computes: xnnpack, external, none, litert cpu or litert gpu.
func (rt Runtime) String() string {
	if rt.Engine == EngineLiteRT {
		return EngineLiteRT + " " + rt.Device
	}
	return rt.Delegate
}

// LibraryPath returns the path of the library of an external runtime.
func (rt Runtime) LibraryPath() string {
	if rt.Engine == EngineLiteRT {
		return cmp.Or(rt.Library, litertLibrary)
	}
	return rt.Library
}

// Remedy returns what the operator can do about an external runtime that is refused.
func (rt Runtime) Remedy() string {
	if rt.Engine == EngineLiteRT && rt.Device == DeviceGPU {
		return fmt.Sprintf("install LiteRT %s and the Vulkan driver of the board, and restart facesieve, "+
			"or set runtime.engine to tflite", litert.Version)
	}
	if rt.Engine == EngineLiteRT {
		return fmt.Sprintf("install LiteRT %s, or set runtime.engine to tflite", litert.Version)
	}
	return "install the library that fits the device, or set runtime.delegate to xnnpack"
}

// describe names the runtime for messages.
func (rt Runtime) describe() string {
	switch {
	case rt.Engine == EngineLiteRT:
		return fmt.Sprintf("LiteRT on the %s, %s", strings.ToUpper(rt.Device), rt.LibraryPath())
	case rt.Delegate == DelegateExternal:
		return fmt.Sprintf("external delegate %s", rt.Library)
	default:
		return "delegate " + rt.Delegate
	}
}

// Start returns an interpreter that has passed its self-test, or, under XNNPACK, of a network that has passed it in this
// process. If an external runtime cannot be loaded, fails or drifts, the interpreter uses XNNPACK on the CPU instead, and
// its Refusal returns the reason, which the caller must report. Any other failure is an error. The caller must also test
// an external runtime with Verify at each input size that it uses.
func Start(m *Model, rt Runtime, log zerolog.Logger) (*Interpreter, error) {
	if err := rt.Validate(); err != nil {
		return nil, fmt.Errorf("models: runtime: %w", err)
	}
	i, err := startTested(m, rt)
	if err != nil && rt.External() {
		refusal := err
		if i, err = startTested(m, rt.OnCPU()); err == nil {
			i.refusal = refusal
		}
	}
	if err != nil {
		return nil, err
	}
	library, device := i.Engine()
	log.Info().Str("model", m.Manifest.Name).Str("version", m.Manifest.Version).Str("source", m.Source).
		Str("engine", library).Str("device", device).Int("threads", rt.Threads).Msg("network is ready, self-test passed")
	return i, nil
}

func startTested(m *Model, rt Runtime) (*Interpreter, error) {
	i, err := NewInterpreter(m, rt)
	if err != nil {
		return nil, err
	}
	xnnpack := !rt.External() && rt.Delegate == DelegateXNNPACK
	rounds := 1
	switch {
	case rt.External():
		rounds = externalRounds
	case xnnpack && m.tested.Load():
		rounds = 0
	}
	for range rounds {
		if err := i.SelfTest(); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", rt.describe(), err), i.Close())
		}
	}
	if xnnpack {
		m.tested.Store(true)
	}
	return i, nil
}
