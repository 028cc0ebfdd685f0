// Package litert runs TensorFlow Lite networks with LiteRT, on the CPU or on a GPU over Vulkan. LiteRT is loaded from
// its files when an Environment is opened; without them this package costs nothing. It accepts one version of LiteRT,
// because the C interface changes between minor versions.
package litert

/*
#cgo LDFLAGS: -ldl -lpthread
#include <stdlib.h>
#include "litert.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Version is the version of LiteRT that this package loads.
const Version = "2.3.0"

var (
	// ErrUnavailable marks a failure that every network has: the files of LiteRT are missing or of another version, or
	// there is no GPU that it can use.
	ErrUnavailable = errors.New("LiteRT cannot be used")
	// ErrNoAnswer marks a GPU that does not answer. All later calls of its Environment fail so at once.
	ErrNoAnswer = errors.New("the GPU does not answer")
)

// limits are the longest times that calls wait for a GPU.
type limits struct {
	create time.Duration // of the environment or a compiled network: a driver may take seconds
	run    time.Duration
}

func defaultLimits() limits { return limits{create: time.Minute, run: 10 * time.Second} }

func milliseconds(d time.Duration) C.int { return C.int(d.Milliseconds()) } //nolint:gosec // at most a minute

// open returns the environment of a verified library.
func open(library string, gpu bool, limit limits) (*C.facesieve_environment, error) {
	path := C.CString(library)
	defer C.free(unsafe.Pointer(path))
	var fault C.facesieve_fault
	handle := C.facesieve_litert_open(path, C.bool(gpu), milliseconds(limit.create), &fault)
	if handle == nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, failure(&fault))
	}
	return handle, nil
}

// Network is a network that LiteRT has read. It may be used by several goroutines.
type Network struct {
	environment *Environment
	handle      *C.facesieve_network
	bytes       []byte // the mapped file
}

// NewNetwork reads a network from a file, which it maps: its content must not change. Call Close after use.
func (e *Environment) NewNetwork(file *os.File) (*Network, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	bytes, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the network: %w", err)
	}
	var fault C.facesieve_fault
	handle := C.facesieve_litert_network(
		e.handle, unsafe.Pointer(&bytes[0]), C.size_t(len(bytes)), milliseconds(e.limits.create), &fault)
	if handle != nil {
		return &Network{environment: e, handle: handle, bytes: bytes}, nil
	}
	err = failure(&fault)
	if !errors.Is(err, ErrNoAnswer) {
		err = errors.Join(err, unix.Munmap(bytes))
	}
	return nil, err
}

// Close frees the network, after everything that Compile returned.
func (n *Network) Close() {
	if C.facesieve_litert_free_network(n.handle, milliseconds(n.environment.limits.create)) {
		_ = unix.Munmap(n.bytes) // it fails only for a slice that Mmap has not returned
	}
}

// Compiled is a network for one input size. It is for one goroutine at a time.
type Compiled struct {
	// Inputs and Outputs are valid until Close.
	Inputs, Outputs []Tensor

	network *Network
	handle  *C.facesieve_compiled
}

// Tensor is an input or output. Real value = (value - ZeroPoint) * Scale.
type Tensor struct {
	Int8      bool // false: it has another type, and no Data
	Shape     []int
	Scale     float64
	ZeroPoint int
	Data      []byte // int8 values, memory of the C library
}

// Compile compiles the network for an input of this shape, nil for that of the file. It takes milliseconds on the CPU,
// and about a second on a GPU. Threads counts those of the CPU.
func (n *Network) Compile(shape []int32, threads int) (*Compiled, error) {
	dimensions := make([]C.int, len(shape)+1) // never empty
	for i, d := range shape {
		dimensions[i] = C.int(d)
	}
	var fault C.facesieve_fault
	handle := C.facesieve_litert_compile(n.handle, C.int(threads), &dimensions[0], C.size_t(len(shape)), //nolint:gosec // few
		milliseconds(n.environment.limits.create), &fault)
	if handle == nil {
		return nil, n.environment.compileError(failure(&fault))
	}
	c := &Compiled{network: n, handle: handle}
	for i := range int(handle.inputs) {
		c.Inputs = append(c.Inputs, describe(&handle.tensors[i]))
	}
	for i := range int(handle.outputs) {
		c.Outputs = append(c.Outputs, describe(&handle.tensors[int(handle.inputs)+i]))
	}
	return c, nil
}

func describe(t *C.facesieve_tensor) Tensor {
	tensor := Tensor{Int8: t.element == C.LITERT_INT8, Scale: float64(t.scale), ZeroPoint: int(t.zero_point)}
	for _, d := range t.shape[:min(int(t.rank), len(t.shape))] {
		tensor.Shape = append(tensor.Shape, int(d))
	}
	if t.data != nil {
		tensor.Data = unsafe.Slice((*byte)(t.data), t.bytes)
	}
	return tensor
}

// Run reads the inputs and writes the outputs. It returns ErrNoAnswer after ten seconds without an answer of the GPU.
func (c *Compiled) Run() error {
	var fault C.facesieve_fault
	C.facesieve_litert_run(c.handle, milliseconds(c.network.environment.limits.run), &fault)
	if fault.what[0] != 0 {
		return failure(&fault)
	}
	return nil
}

// Close frees the compiled network. If the GPU does not answer, its memory stays, because the driver may still use it.
func (c *Compiled) Close() {
	C.facesieve_litert_free_compiled(c.handle, milliseconds(c.network.environment.limits.create))
}

// failure returns the error of a failed call, with what LiteRT and the driver wrote.
func failure(fault *C.facesieve_fault) error {
	if fault.no_answer {
		return ErrNoAnswer
	}
	text := C.GoString(&fault.what[0])
	if fault.status != 0 {
		text += fmt.Sprintf(" failed with status %d", int(fault.status))
	}
	if reasons := reasons(C.GoString(&fault.log[0])); reasons != "" {
		text += " (" + reasons + ")"
	}
	return errors.New(text)
}

// reasons returns the warnings and errors of LiteRT's log, without the marks of their severity, time and source.
func reasons(log string) string {
	mark := regexp.MustCompile(`^([EWF]\d{4} \S+ +\d+ \S+\] |[A-Z]+: (\[[^]]*\] )?)`)
	var kept []string
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		switch {
		case line == "", strings.HasPrefix(line, "INFO"), strings.HasPrefix(line, "I0"), strings.HasPrefix(line, "I1"):
		case strings.HasPrefix(line, "at "), strings.HasPrefix(line, "==="), strings.HasPrefix(line, "third_party/"):
		case strings.Contains(line, "Logging before InitGoogle"):
		default:
			kept = append(kept, mark.ReplaceAllString(line, ""))
		}
	}
	return strings.Join(kept, "; ")
}
