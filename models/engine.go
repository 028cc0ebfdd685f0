package models

import (
	"fmt"
	"math"
	"os"
	"slices"
)

// engine runs one network with one runtime library. It is for one goroutine at a time. Another library is one more file
// with its engine, and one more case in openEngine.
type engine interface {
	// describe returns name and version of the library, as in TFLite 2.20.0, and the device that computes, as in cpu.
	describe() (library, device string)
	// resize allocates the tensors for an input of this shape, NHWC, and returns their descriptions; nil stands for the
	// shape in the file.
	resize(shape []int32) (inputs, outputs []tensorInfo, err error)
	// input returns the memory of the input, valid until the next resize; nil if there is none.
	input() []byte
	// output returns the values of output k, valid until the next resize or invoke; nil before the first invoke if the
	// delegate allocates them only then.
	output(k int) []int8
	invoke() error
	// close frees the memory of the library. The engine must not be used afterwards.
	close()
}

// openEngine returns an engine that runs the network in a file.
func openEngine(network *os.File, rt Runtime) (engine, error) {
	if rt.Engine == EngineLiteRT {
		return openLiteRT(network, rt)
	}
	return openTFLite(network, rt)
}

// tensorInfo describes a tensor: real value = (stored value - zero) * scale.
type tensorInfo struct {
	int8  bool // the type of a value
	shape []int
	scale float64
	zero  int
	bytes int
}

// matches returns an error if a tensor of the network differs from its description in the manifest, whose dimension -1
// is any size.
func (t tensorInfo) matches(name string, manifest tensorInfo) error {
	if !t.int8 {
		return fmt.Errorf("%s is not int8, the manifest has int8", name)
	}
	same := func(a, b int) bool { return a == b || b == -1 && a > 0 }
	if !slices.EqualFunc(t.shape, manifest.shape, same) {
		return fmt.Errorf("%s has shape %v, the manifest has %v", name, t.shape, manifest.shape)
	}
	if t.zero != manifest.zero || math.Abs(t.scale-manifest.scale) > 1e-5*manifest.scale {
		return fmt.Errorf("%s has scale %g and zero point %d, the manifest has %g and %d",
			name, t.scale, t.zero, manifest.scale, manifest.zero)
	}
	if t.bytes != product(t.shape) {
		return fmt.Errorf("%s has %d bytes for shape %v", name, t.bytes, t.shape)
	}
	return nil
}

func product(shape []int) int {
	n := 1
	for _, dim := range shape {
		n *= dim
	}
	return n
}
