package models

import (
	"errors"
	"fmt"
	"math"
)

// ErrDrift marks a network whose outputs differ from those in the manifest or on the CPU, because its runtime computes
// wrong values.
var ErrDrift = errors.New("the outputs differ from the right ones")

const (
	// externalRounds is how often an external runtime computes each test image, because some drift only later: there are
	// GPUs that are right in the first run alone.
	externalRounds = 4
	verifyImages   = 2 // number of test images that Verify uses
	// The tolerance in the manifest is for the few values of a self-test. Among the thousands of values of a large
	// image, the correct but different rounding of XNNPACK and the plain kernels can reach it.
	verifyTolerances = 2
)

// SelfTestImage fills dst, height*width*3 bytes BGR, with test image k: shifted ramps over a checkerboard with fields
// of 8 pixels. The arithmetic is in integers and the same in every language.
func SelfTestImage(dst []byte, width, height, k int) {
	n := 0
	for y := range height {
		for x := range width {
			field := 97 * ((x>>3 + y>>3) & 1)
			for c := range 3 {
				dst[n] = byte((x*(k+1)*2 + y*(k+2) + c*31 + field) & 255)
				n++
			}
		}
	}
}

// SelfTest runs the network on the test images of its manifest and compares all outputs. It restores the size of the
// input.
func (i *Interpreter) SelfTest() (err error) {
	if i.engine == nil {
		return ErrClosed
	}
	test := i.model.Manifest.SelfTest
	width, height := i.width, i.height
	if err := i.Resize(test.Width, test.Height); err != nil {
		return fmt.Errorf("models: self-test: %w", err)
	}
	if width > 0 {
		defer func() { err = errors.Join(err, i.Resize(width, height)) }()
	}
	for _, c := range test.Cases {
		if err := i.compare(c.Picture, c.Outputs, "manifest", 1); err != nil {
			return fmt.Errorf("models: self-test of %s, image %d: %w", i.model.Source, c.Picture, err)
		}
	}
	return nil
}

// Verify sets the size of the input, pixels, and compares the outputs of an external runtime with those of XNNPACK at
// this size, because the self-test covers only one size. It repeats the comparison, because some runtimes drift only
// later. It returns an error with ErrDrift if the outputs differ by more than twice the tolerance in the manifest. With
// XNNPACK or the plain kernels it only sets the size.
func (i *Interpreter) Verify(width, height int) error {
	if err := i.Resize(width, height); err != nil || !i.External() {
		return err
	}
	want, err := reference(i.model, i.runtime.OnCPU(), width, height)
	if err != nil {
		return err
	}
	for round := range externalRounds {
		for k, outputs := range want {
			if err := i.compare(k, outputs, "CPU", verifyTolerances); err != nil {
				return fmt.Errorf("models: %s at %dx%d pixels, image %d, round %d: %w",
					i.runtime.describe(), width, height, k, round+1, err)
			}
		}
	}
	return nil
}

// reference returns the outputs of the network on the CPU for each test image.
func reference(m *Model, rt Runtime, width, height int) (images [][][]float64, err error) {
	cpu, err := NewInterpreter(m, rt)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cpu.Close()) }()
	if err := cpu.Resize(width, height); err != nil {
		return nil, err
	}
	for k := range verifyImages {
		if err := cpu.runTestImage(k); err != nil {
			return nil, err
		}
		outputs := make([][]float64, cpu.Outputs())
		for o := range outputs {
			outputs[o] = cpu.Output(o).Dequantize(nil)
		}
		images = append(images, outputs)
	}
	return images, nil
}

// compare runs the network on test image k and compares its outputs with those of source, to within a number of the
// tolerances in the manifest.
func (i *Interpreter) compare(k int, want [][]float64, source string, tolerances float64) error {
	if err := i.runTestImage(k); err != nil {
		return err
	}
	for o, values := range want {
		out := i.Output(o)
		if len(out.Data) != len(values) {
			return fmt.Errorf("output %d (%s) has %d values, the %s %d", o, out.Name, len(out.Data), source, len(values))
		}
		worst, at := 0.0, 0
		for n, v := range values {
			if d := math.Abs(out.Real(n) - v); d > worst {
				worst, at = d, n
			}
		}
		i.deviation = max(i.deviation, worst/out.Scale)
		if limit := tolerances * i.model.Manifest.SelfTest.Tolerance[o]; worst > limit {
			return fmt.Errorf("output %d (%s): value %d is %g, that of the %s %g, tolerance %g: %w",
				o, out.Name, at, out.Real(at), source, values[at], limit, ErrDrift)
		}
	}
	return nil
}

// runTestImage runs the network on test image k at the present size of its input.
func (i *Interpreter) runTestImage(k int) error {
	image := make([]byte, i.width*i.height*3)
	SelfTestImage(image, i.width, i.height, k)
	if err := i.SetPixels(image); err != nil {
		return err
	}
	return i.engine.invoke() // a failed test must not replace the runtime, as Invoke does
}
