package litert

// #include "litert.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

// Accelerator is the file of the GPU accelerator, beside the library.
const Accelerator = "libLiteRtWebGpuAccelerator.so"

// Environment is a loaded LiteRT with the CPU, or with one GPU. It is safe for concurrent use, and stays until the
// process ends, because drivers keep threads and open files.
type Environment struct {
	handle *C.facesieve_environment
	limits limits
	gpu    bool
}

type environmentKey struct {
	library string
	gpu     bool
}

// shared are the environments that were opened.
//
//nolint:gochecknoglobals // a loaded library, and the GPU that it has opened, are those of the process
var shared = struct {
	mutex sync.Mutex
	open  map[environmentKey]*Environment
}{open: map[environmentKey]*Environment{}}

// Open loads LiteRT from the file of its library, and with gpu the Accelerator beside it. The library must be that of
// Version. Errors are marked with ErrUnavailable. Later calls return the same environment.
func Open(library string, gpu bool) (*Environment, error) {
	return openShared(library, gpu, defaultLimits())
}

func openShared(library string, gpu bool, limit limits) (*Environment, error) {
	shared.mutex.Lock()
	defer shared.mutex.Unlock()
	key := environmentKey{library, gpu}
	if e := shared.open[key]; e != nil {
		return e, nil
	}
	if err := check(library, gpu); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	handle, err := open(library, gpu, limit)
	if err != nil {
		return nil, err
	}
	e := &Environment{handle: handle, limits: limit, gpu: gpu}
	shared.open[key] = e
	return e, nil
}

// check returns why the files cannot be loaded. The accelerator would end the process on a CPU without the instructions
// that it uses, and drivers that compile for the CPU, as those in software, would end it without executable memory.
func check(library string, gpu bool) error {
	known := knownFiles()
	if err := verifyFile(library, known); err != nil {
		return err
	}
	if !gpu {
		return nil
	}
	if err := errors.Join(checkCPU(thisCPU()), checkMemory()); err != nil {
		return err
	}
	return verifyFile(filepath.Join(filepath.Dir(library), Accelerator), known)
}

// GPU returns the name of the GPU; empty before the first network was compiled for it, and on the CPU.
func (e *Environment) GPU() string {
	var name [128]C.char
	C.facesieve_litert_adapter(e.handle, &name[0], C.size_t(len(name)))
	return C.GoString(&name[0])
}

// compileError marks an error that every network has: no GPU was found.
func (e *Environment) compileError(err error) error {
	if e.gpu && e.GPU() == "" && !errors.Is(err, ErrNoAnswer) {
		return fmt.Errorf("%w: no GPU with a Vulkan driver was found at the start of the program: %w", ErrUnavailable, err)
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

// checkMemory returns an error if this process may not have memory that is writable and executable.
func checkMemory() error {
	const access = unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), access, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return fmt.Errorf("a driver of a GPU may need memory that is writable and executable, which is forbidden: "+
			"set MemoryDenyWriteExecute=no in a drop-in of the unit: %w", err)
	}
	return unix.Munmap(page)
}
