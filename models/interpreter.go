package models

import (
	"errors"
	"fmt"
	"slices"
)

// ErrClosed is the error of an interpreter after Close.
var ErrClosed = errors.New("models: interpreter is closed")

// ErrNoRuntime marks an external runtime that no network can use: it cannot be loaded, or has no device.
var ErrNoRuntime = errors.New("unusable")

// Interpreter runs one network. It is for one goroutine at a time; several interpreters of one Model may run at the
// same time. Close frees its memory, which belongs to the C library.
type Interpreter struct {
	model   *Model
	runtime Runtime
	refusal error  // why the configured runtime was replaced; nil if it was not
	engine  engine // nil after Close

	deviation     float64 // in all tests so far, quantisation steps
	width, height int     // of the input; 0 after a failed resize
	pixels        pixels
	outputs       []Tensor // without their values
}

// Tensor is one output. Data is memory of the C library: read only, and valid until the next Resize, Invoke or Close of
// its interpreter. Real value = (Data[i] - ZeroPoint) * Scale.
type Tensor struct {
	Name      string
	Shape     []int // read only, valid until the next Resize
	Data      []int8
	Scale     float64
	ZeroPoint int
}

// Real returns one value in real units.
func (t Tensor) Real(i int) float64 { return float64(int(t.Data[i])-t.ZeroPoint) * t.Scale }

// Dequantize appends all values in real units to dst, row by row, and returns it.
func (t Tensor) Dequantize(dst []float64) []float64 {
	for i := range t.Data {
		dst = append(dst, t.Real(i))
	}
	return dst
}

// NewInterpreter returns an interpreter. It compares number, types, shapes and quantisation of input and outputs with
// the manifest. A network without a fixed size starts at the size of its self-test.
func NewInterpreter(m *Model, rt Runtime) (*Interpreter, error) {
	if err := rt.Validate(); err != nil {
		return nil, fmt.Errorf("models: runtime: %w", err)
	}
	i := &Interpreter{model: m, runtime: rt, pixels: newPixels(m.Manifest.Input)}
	var err error
	if i.engine, err = openEngine(m.file, rt); err == nil {
		err = i.Resize(m.Manifest.SelfTest.Width, m.Manifest.SelfTest.Height)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("models: %s with %s: %w", m.Source, rt.describe(), err), i.Close())
	}
	return i, nil
}

// Model returns the network.
func (i *Interpreter) Model() *Model { return i.model }

// Manifest returns the manifest of the network.
func (i *Interpreter) Manifest() *Manifest { return &i.model.Manifest }

// Engine returns name and version of the library that runs the network, as in TFLite 2.20.0, and the device that
// computes, as in xnnpack, cpu, or the name of a GPU. After Close both are empty.
func (i *Interpreter) Engine() (library, device string) {
	if i.engine == nil {
		return "", ""
	}
	return i.engine.describe()
}

// External reports whether an external runtime is in use, see Runtime.External.
func (i *Interpreter) External() bool { return i.runtime.External() }

// Refusal returns why Start or Invoke has replaced the configured runtime by XNNPACK on the CPU; nil if none has.
func (i *Interpreter) Refusal() error { return i.refusal }

// Deviation returns the largest difference between an output and its right value in all tests so far, in quantisation
// steps of that output.
func (i *Interpreter) Deviation() float64 { return i.deviation }

// Size returns width and height of the input in pixels.
func (i *Interpreter) Size() (width, height int) { return i.width, i.height }

// Resize sets the size of the input, pixels. It takes milliseconds and invalidates all outputs, except that the present
// size takes no time and changes nothing.
func (i *Interpreter) Resize(width, height int) error {
	if i.engine == nil {
		return ErrClosed
	}
	if width == i.width && height == i.height {
		return nil
	}
	in := i.model.Manifest.Input
	if err := in.accepts(width, height); err != nil {
		return fmt.Errorf("models: resize: %w", err)
	}
	i.width, i.height, i.outputs = 0, 0, nil
	var shape []int32
	if !in.Fixed() {
		shape = []int32{1, int32(height), int32(width), int32(in.Channels)} //nolint:gosec // at most maxSide
	}
	inputs, outputs, err := i.engine.resize(shape)
	if err != nil {
		return fmt.Errorf("%dx%d pixels: %w", width, height, err)
	}
	if err := i.check(width, height, inputs, outputs); err != nil {
		return err
	}
	for k, out := range i.model.Manifest.Outputs {
		tensor := Tensor{Name: out.Name, Shape: outputs[k].shape, Scale: out.Scale, ZeroPoint: out.ZeroPoint}
		i.outputs = append(i.outputs, tensor)
	}
	i.width, i.height = width, height
	return nil
}

// check compares the tensors of the network with the manifest.
func (i *Interpreter) check(width, height int, inputs, outputs []tensorInfo) error {
	m := &i.model.Manifest
	if len(inputs) != 1 {
		return fmt.Errorf("%d inputs, one is supported", len(inputs))
	}
	if len(outputs) != len(m.Outputs) {
		return fmt.Errorf("%d outputs, the manifest has %d", len(outputs), len(m.Outputs))
	}
	want := tensorInfo{shape: []int{1, height, width, m.Input.Channels}, scale: m.Input.Scale, zero: m.Input.ZeroPoint}
	if err := inputs[0].matches("input", want); err != nil {
		return err
	}
	if i.engine.input() == nil {
		return errors.New("the input has no memory")
	}
	for k, out := range m.Outputs {
		want := tensorInfo{shape: out.Shape, scale: out.Scale, zero: out.ZeroPoint}
		if m.Detector != nil {
			want.shape = m.Detector.shape(k, out.Shape, width, height)
		}
		if err := outputs[k].matches(fmt.Sprintf("output %d (%s)", k, out.Name), want); err != nil {
			return err
		}
	}
	return nil
}

// shape returns the shape of output k of a detector whose input has this size; shape is its shape in the manifest.
func (d *DetectorHead) shape(k int, shape []int, width, height int) []int {
	for _, head := range d.heads() {
		if s := slices.Index(head.outputs, k); s >= 0 {
			return []int{1, height / d.Strides[s], width / d.Strides[s], head.channels}
		}
	}
	return shape
}

// SetPixels fills the input with an image of its size: height*width*3 bytes, row by row without gaps, BGR. It converts
// them to the colour order and the quantisation of the network.
func (i *Interpreter) SetPixels(bgr []byte) error {
	if i.engine == nil {
		return ErrClosed
	}
	if want := i.width * i.height * i.model.Manifest.Input.Channels; len(bgr) != want || want == 0 {
		return fmt.Errorf("models: %d bytes of pixels for an input of %dx%d (%d)", len(bgr), i.width, i.height, want)
	}
	i.pixels.fill(i.engine.input(), bgr)
	return nil
}

// Invoke runs the network on the pixels set before. It invalidates all outputs returned before. If an external runtime
// fails, XNNPACK on the CPU replaces it and runs the network on the same pixels; Refusal returns the reason, which the
// caller must report.
func (i *Interpreter) Invoke() error {
	if i.engine == nil {
		return ErrClosed
	}
	if i.width == 0 {
		return errors.New("models: invoke after a failed resize")
	}
	err := i.engine.invoke()
	if err == nil || !i.External() {
		return err
	}
	return i.replace(err)
}

// replace replaces an external runtime that failed, and runs the network.
func (i *Interpreter) replace(refusal error) error {
	cpu, err := NewInterpreter(i.model, i.runtime.OnCPU())
	if err == nil {
		err = cpu.Resize(i.width, i.height)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("models: %s: %w", i.runtime.describe(), refusal), err)
	}
	copy(cpu.engine.input(), i.engine.input())
	i.engine.close()
	cpu.refusal = fmt.Errorf("models: %s with %s: %w", i.model.Source, i.runtime.describe(), refusal)
	*i = *cpu
	return i.engine.invoke()
}

// Outputs returns the number of outputs.
func (i *Interpreter) Outputs() int { return len(i.model.Manifest.Outputs) }

// Output returns output k, in the order of the manifest, as the last Invoke left it. For k outside 0..Outputs()-1, and
// after Close, it returns a Tensor without data.
func (i *Interpreter) Output(k int) Tensor {
	if k < 0 || k >= len(i.outputs) {
		return Tensor{}
	}
	out := i.outputs[k]
	out.Data = i.engine.output(k)
	return out
}

// Close frees the interpreter. Slices that Output returned must not be used any more. A second Close does nothing.
func (i *Interpreter) Close() error {
	if i.engine != nil {
		i.engine.close()
	}
	i.engine, i.outputs = nil, nil
	return nil
}
