package models

import (
	"errors"
	"fmt"
	"math"
)

const (
	verifyPictures = 2 // number of test pictures that Verify uses
	// The tolerance in the manifest is for the few values of a self-test. Among the thousands of values of a large
	// picture, the correct but different rounding of XNNPACK and the plain kernels can reach it.
	verifyTolerances = 2
)

// Verify sets the size of the input, pixels, and compares the outputs of an external delegate with those of XNNPACK at
// this size, because the self-test covers only one size. It repeats the comparison, because some delegates drift only
// later. It returns an error with ErrDrift if the outputs differ by more than twice the tolerance in the manifest. With
// any other delegate it only sets the size.
func (i *Interpreter) Verify(width, height int) error {
	if err := i.Resize(width, height); err != nil || i.Delegate() != DelegateExternal {
		return err
	}
	want, err := reference(i.model, i.runtime.OnCPU(), width, height)
	if err != nil {
		return err
	}
	for round := range rounds {
		for k, answers := range want {
			if err := i.answers(k, width, height, answers); err != nil {
				return fmt.Errorf("models: %s at %dx%d pixels, picture %d, round %d: %w",
					i.runtime.describe(), width, height, k, round+1, err)
			}
		}
	}
	return nil
}

// reference returns the outputs of the network on the CPU for each test picture.
func reference(m *Model, rt Runtime, width, height int) (pictures [][][]float64, err error) {
	cpu, err := NewInterpreter(m, rt)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cpu.Close()) }()
	if err := cpu.Resize(width, height); err != nil {
		return nil, err
	}
	for k := range verifyPictures {
		if err := cpu.calculate(k, width, height); err != nil {
			return nil, err
		}
		outputs := make([][]float64, cpu.Outputs())
		for o := range outputs {
			out := cpu.Output(o)
			for n := range out.Data {
				outputs[o] = append(outputs[o], out.Real(n))
			}
		}
		pictures = append(pictures, outputs)
	}
	return pictures, nil
}

// answers runs the network on test picture k and compares its outputs.
func (i *Interpreter) answers(k, width, height int, want [][]float64) error {
	if err := i.calculate(k, width, height); err != nil {
		return err
	}
	for o, values := range want {
		if err := i.near(o, values, i.model.Manifest.SelfTest.Tolerance[o]); err != nil {
			return err
		}
	}
	return nil
}

// near compares output o with its values on the CPU.
func (i *Interpreter) near(o int, want []float64, tolerance float64) error {
	out := i.Output(o)
	if len(out.Data) != len(want) {
		return fmt.Errorf("output %d (%s) has %d values, on the CPU %d", o, out.Name, len(out.Data), len(want))
	}
	worst := 0.0
	for n, v := range want {
		worst = max(worst, math.Abs(out.Real(n)-v))
	}
	if limit := verifyTolerances * tolerance; worst > limit {
		return fmt.Errorf("output %d (%s) differs by %.3g from that of the CPU, tolerance %.3g: %w",
			o, out.Name, worst, limit, ErrDrift)
	}
	return nil
}

// calculate runs the network on test picture k. Its input must have this size.
func (i *Interpreter) calculate(k, width, height int) error {
	picture := make([]byte, width*height*3)
	Picture(picture, width, height, k)
	return errors.Join(i.SetPixels(picture), i.Invoke())
}
