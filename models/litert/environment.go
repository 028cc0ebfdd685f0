package litert

// #include "litert.h"
import "C"

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sys/cpu"
)

// Accelerator is the file of the GPU accelerator, beside the library.
const Accelerator = "libLiteRtWebGpuAccelerator.so"

// Environment is a loaded LiteRT with the CPU, or with one GPU. It is safe for concurrent use.
type Environment struct {
	handle *C.facesieve_environment
	limits limits
	key    environmentKey
}

type environmentKey struct {
	library string
	gpu     bool
}

// open environments, with the number of their users. The networks of a process share a GPU, its memory and its compiled
// shaders only within one environment.
//
//nolint:gochecknoglobals // the loaded library is one for the process
var shared = struct {
	mutex sync.Mutex
	open  map[environmentKey]*sharedEnvironment
}{open: map[environmentKey]*sharedEnvironment{}}

type sharedEnvironment struct {
	environment *Environment
	users       int
}

// Open loads LiteRT from the file of its library, and with gpu the Accelerator beside it. The library must be that of
// Version. Errors are marked with ErrUnavailable. Environments of the same library and device are shared. Call Close
// after use.
func Open(library string, gpu bool) (*Environment, error) {
	return openShared(library, gpu, knownFiles(), defaultLimits())
}

func openShared(library string, gpu bool, known map[string]string, limit limits) (*Environment, error) {
	shared.mutex.Lock()
	defer shared.mutex.Unlock()
	key := environmentKey{library, gpu}
	if s := shared.open[key]; s != nil {
		s.users++
		return s.environment, nil
	}
	if err := check(library, gpu, known); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	handle, err := open(library, gpu, limit)
	if err != nil {
		return nil, err
	}
	e := &Environment{handle: handle, limits: limit, key: key}
	shared.open[key] = &sharedEnvironment{e, 1}
	return e, nil
}

// check returns why the files cannot be loaded. The accelerator would end the process on a CPU without the instructions
// that it uses.
func check(library string, gpu bool, known map[string]string) error {
	if err := verifyFile(library, known); err != nil {
		return err
	}
	if !gpu {
		return nil
	}
	if err := checkCPU(thisCPU()); err != nil {
		return err
	}
	return verifyFile(filepath.Join(filepath.Dir(library), Accelerator), known)
}

// Close frees the environment after its last user, and after its networks. The library stays loaded, because drivers
// keep threads.
func (e *Environment) Close() {
	shared.mutex.Lock()
	defer shared.mutex.Unlock()
	s := shared.open[e.key]
	if s.users--; s.users == 0 {
		delete(shared.open, e.key)
		C.facesieve_litert_close(e.handle, milliseconds(e.limits.create))
	}
}

// GPU returns the name of the GPU; empty before the first network was compiled for it, and on the CPU.
func (e *Environment) GPU() string {
	var name [128]C.char
	C.facesieve_litert_adapter(e.handle, &name[0], C.size_t(len(name)))
	return C.GoString(&name[0])
}

// compileError marks an error that every network has: no GPU was found.
func (e *Environment) compileError(err error) error {
	if e.key.gpu && e.GPU() == "" && !errors.Is(err, ErrNoAnswer) {
		return fmt.Errorf("%w: no GPU with a Vulkan driver was found: %w", ErrUnavailable, err)
	}
	return err
}

// cpuFeatures are the features of a CPU that the accelerator needs.
type cpuFeatures struct {
	arm64      bool
	atomics    bool // large system extensions, from ARMv8.1
	dotProduct bool // optional from ARMv8.2
}

func thisCPU() cpuFeatures {
	return cpuFeatures{runtime.GOARCH == "arm64", cpu.ARM64.HasATOMICS, cpu.ARM64.HasASIMDDP}
}

// checkCPU returns an error if the accelerator would execute an instruction that this CPU does not have.
func checkCPU(c cpuFeatures) error {
	var missing string
	switch {
	case !c.arm64:
		return nil
	case !c.atomics:
		missing = "atomic (LSE)"
	case !c.dotProduct:
		missing = "dot product"
	default:
		return nil
	}
	return fmt.Errorf("the CPU has no %s instructions, which LiteRT's GPU accelerator uses "+
		"(Cortex-A53, A57, A72 and others before ARMv8.2): set runtime.device to cpu", missing)
}
