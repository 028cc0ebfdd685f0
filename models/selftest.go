package models

import (
	"errors"
	"fmt"
	"math"
)

// ErrDrift marks a network whose outputs differ from those in the manifest or on the CPU, because its delegate computes
// wrong values.
var ErrDrift = errors.New("the outputs differ from the right ones")

// Picture fills dst, height*width*3 bytes BGR, with test picture number k: shifting ramps over a checkerboard of 8 pixels, in
// integers, the same in every language.
func Picture(dst []byte, width, height, k int) {
	n := 0
	for y := range height {
		for x := range width {
			square := 97 * ((x>>3 + y>>3) & 1)
			for c := range 3 {
				dst[n] = byte((x*(k+1)*2 + y*(k+2) + c*31 + square) & 255)
				n++
			}
		}
	}
}

// SelfTest runs the network on the test pictures of its manifest and compares all outputs. It leaves the input at the size
// that it had.
func (i *Interpreter) SelfTest() (err error) {
	if i.interpreter == nil {
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
	picture := make([]byte, test.Width*test.Height*3)
	for _, c := range test.Cases {
		Picture(picture, test.Width, test.Height, c.Picture)
		if err := errors.Join(i.SetPixels(picture), i.Invoke()); err != nil {
			return fmt.Errorf("models: self-test: %w", err)
		}
		for k, want := range c.Outputs {
			if err := i.compare(k, want, test.Tolerance[k]); err != nil {
				return fmt.Errorf("models: self-test of %s, picture %d: %w", i.model.Source, c.Picture, err)
			}
		}
	}
	return nil
}

func (i *Interpreter) compare(k int, want []float64, tolerance float64) error {
	out := i.Output(k)
	if len(want) != len(out.Data) {
		return fmt.Errorf("output %d (%s) has %d values, the manifest %d", k, out.Name, len(out.Data), len(want))
	}
	worst, at := 0.0, 0
	for n, v := range want {
		if d := math.Abs(out.Real(n) - v); d > worst {
			worst, at = d, n
		}
	}
	if worst > tolerance {
		return fmt.Errorf("output %d (%s): value %d is %g instead of %g, tolerance %g: %w",
			k, out.Name, at, out.Real(at), want[at], tolerance, ErrDrift)
	}
	return nil
}
