package models

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"facesieve/models/litert"
)

// maxSizes bounds the compiled networks of one engine. A camera needs one size, and the self-test another.
const maxSizes = 6

// litertEngine runs a network with LiteRT. It keeps one compiled network for each input size, because a GPU needs about
// a second to compile one.
type litertEngine struct {
	threads     int
	device      string
	environment *litert.Environment
	network     *litert.Network
	sizes       []compiledSize // the one in use is the last
}

type compiledSize struct {
	shape    []int32
	compiled *litert.Compiled
}

func openLiteRT(network *os.File, rt Runtime) (engine, error) {
	e := &litertEngine{threads: rt.Threads, device: rt.Device}
	if err := e.create(network, rt); err != nil {
		e.close()
		return nil, unavailable(err)
	}
	return e, nil
}

// unavailable marks an error that every network has.
func unavailable(err error) error {
	if errors.Is(err, litert.ErrUnavailable) || errors.Is(err, litert.ErrNoAnswer) {
		return fmt.Errorf("%w: %w", ErrNoRuntime, err)
	}
	return err
}

func (e *litertEngine) create(network *os.File, rt Runtime) (err error) {
	if e.environment, err = litert.Open(rt.LibraryPath(), rt.Device == DeviceGPU); err != nil {
		return err
	}
	e.network, err = e.environment.NewNetwork(network)
	return err
}

func (e *litertEngine) describe() (library, device string) {
	device = e.device
	if gpu := e.environment.GPU(); gpu != "" {
		device += " (" + gpu + ")"
	}
	return "LiteRT " + litert.Version, device
}

func (e *litertEngine) resize(shape []int32) (inputs, outputs []tensorInfo, err error) {
	at := slices.IndexFunc(e.sizes, func(s compiledSize) bool { return slices.Equal(s.shape, shape) })
	if at < 0 {
		compiled, err := e.network.Compile(shape, e.threads)
		if err != nil {
			return nil, nil, unavailable(err)
		}
		if len(e.sizes) == maxSizes { // the one that was not used for longest
			e.sizes[0].compiled.Close()
			e.sizes = slices.Delete(e.sizes, 0, 1)
		}
		at, e.sizes = len(e.sizes), append(e.sizes, compiledSize{shape, compiled})
	}
	used := e.sizes[at]
	e.sizes = append(slices.Delete(e.sizes, at, at+1), used)
	return describeTensors(used.compiled.Inputs), describeTensors(used.compiled.Outputs), nil
}

func describeTensors(tensors []litert.Tensor) (all []tensorInfo) {
	for _, t := range tensors {
		all = append(all, tensorInfo{
			int8: t.Int8, shape: t.Shape, scale: t.Scale, zero: t.ZeroPoint, bytes: len(t.Data),
		})
	}
	return all
}

func (e *litertEngine) current() *litert.Compiled { return e.sizes[len(e.sizes)-1].compiled }

func (e *litertEngine) input() []byte { return e.current().Inputs[0].Data }

func (e *litertEngine) output(k int) []int8 {
	data := e.current().Outputs[k].Data
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(data))), len(data))
}

func (e *litertEngine) invoke() error { return unavailable(e.current().Run()) }

func (e *litertEngine) close() {
	for _, s := range e.sizes {
		s.compiled.Close()
	}
	if e.network != nil {
		e.network.Close()
	}
	*e = litertEngine{}
}
