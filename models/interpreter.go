package models

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/mattn/go-tflite"
	"github.com/mattn/go-tflite/delegates"
)

// ErrClosed is the answer of an interpreter after Close.
var ErrClosed = errors.New("models: interpreter is closed")

// ErrNoDelegate marks a delegate that cannot be created for any network.
var ErrNoDelegate = errors.New("no delegate")

// Interpreter runs one network. It is for one goroutine at a time; several interpreters of one Model may run beside each
// other. Close frees its memory, which is the C library's.
type Interpreter struct {
	model   *Model
	runtime Runtime
	refusal error // why Start has replaced the configured delegate; nil if it has not

	// In the order of creation; freed in reverse.
	network     *tflite.Model
	accelerator delegates.Delegater
	interpreter *tflite.Interpreter

	width, height int
	pixels        pixels
	input         []byte
	handles       []*tflite.Tensor
	outputs       []Tensor
	reports       *reports
}

// NewInterpreter makes an interpreter and compares number, types, shapes and quantisation of its input and outputs with the
// manifest. A network without a size of its own begins at the size of its self-test.
func NewInterpreter(m *Model, rt Runtime) (*Interpreter, error) {
	if err := rt.Validate(); err != nil {
		return nil, fmt.Errorf("models: runtime: %w", err)
	}
	quiet()
	i := &Interpreter{model: m, runtime: rt, pixels: newPixels(m.Manifest.Input), reports: &reports{}}
	err := i.create(rt)
	if err == nil {
		err = i.Resize(m.Manifest.SelfTest.Width, m.Manifest.SelfTest.Height)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("models: %s with %s: %w", m.Source, rt.describe(), err), i.Close())
	}
	return i, nil
}

// create builds the C objects.
func (i *Interpreter) create(rt Runtime) (err error) {
	if i.network, err = mapNetwork(i.model.bytes); err != nil {
		return err
	}
	options := tflite.NewInterpreterOptions()
	if options == nil {
		return errors.New("no memory for options")
	}
	defer options.Delete()
	options.SetNumThread(rt.Threads)
	// go-tflite never frees this registration: some bytes for every interpreter made, so it must not hold the interpreter,
	// and with it the network.
	said := i.reports
	options.SetErrorReporter(func(message string, _ any) { said.add(message) }, nil)
	if i.accelerator, err = newDelegate(rt); err != nil {
		return fmt.Errorf("%w: %w", ErrNoDelegate, err)
	}
	if i.accelerator != nil {
		options.AddDelegate(i.accelerator)
	}
	if i.interpreter = tflite.NewInterpreter(i.network, options); i.interpreter == nil {
		return i.reports.explain("the network is refused")
	}
	if n := i.interpreter.GetInputTensorCount(); n != 1 {
		return fmt.Errorf("%d inputs, one is supported", n)
	}
	if n := i.interpreter.GetOutputTensorCount(); n != len(i.model.Manifest.Outputs) {
		return fmt.Errorf("%d outputs, the manifest has %d", n, len(i.model.Manifest.Outputs))
	}
	return nil
}

func newDelegate(rt Runtime) (delegates.Delegater, error) {
	switch rt.Delegate {
	case DelegateXNNPACK:
		return newXNNPACK(rt.Threads)
	case DelegateExternal:
		return newExternal(rt.Library, rt.Options)
	default:
		return nil, nil //nolint:nilnil // no delegate is what was asked for
	}
}

// Manifest returns the manifest of the network.
func (i *Interpreter) Manifest() *Manifest { return &i.model.Manifest }

// Delegate returns who does the arithmetic: "xnnpack", "external" or "none".
func (i *Interpreter) Delegate() string { return i.runtime.Delegate }

// Refusal returns why Start has replaced the configured delegate; nil if it has not.
func (i *Interpreter) Refusal() error { return i.refusal }

// Size returns width and height of the input in pixels.
func (i *Interpreter) Size() (width, height int) { return i.width, i.height }

// Resize sets the size of the input, pixels. It costs milliseconds and invalidates all outputs; the same size costs nothing.
func (i *Interpreter) Resize(width, height int) error {
	if i.interpreter == nil {
		return ErrClosed
	}
	if width == i.width && height == i.height {
		return nil
	}
	in := i.model.Manifest.Input
	if err := in.accepts(width, height); err != nil {
		return fmt.Errorf("models: resize: %w", err)
	}
	i.width, i.height, i.input, i.handles, i.outputs = 0, 0, nil, nil, nil
	if !in.Fixed() {
		dims := []int32{1, int32(height), int32(width), int32(in.Channels)} //nolint:gosec // at most maxSide
		if i.interpreter.ResizeInputTensor(0, dims) != tflite.OK {
			return i.reports.explain(fmt.Sprintf("the network does not take %dx%d pixels", width, height))
		}
	}
	if i.interpreter.AllocateTensors() != tflite.OK {
		return i.reports.explain(fmt.Sprintf("no tensors for %dx%d pixels", width, height))
	}
	if err := i.bind(width, height); err != nil {
		i.input, i.handles, i.outputs = nil, nil, nil
		return err
	}
	i.width, i.height = width, height
	return nil
}

// bind looks up the tensors and compares them with the manifest. Outputs may have no memory yet: a delegate may bring it
// with Invoke.
func (i *Interpreter) bind(width, height int) error {
	m := &i.model.Manifest
	tensor := i.interpreter.GetInputTensor(0)
	want := expectation{"input", []int{1, height, width, m.Input.Channels}, m.Input.Scale, m.Input.ZeroPoint}
	if err := want.compare(tensor); err != nil {
		return err
	}
	if tensor.Data() == nil {
		return errors.New("the input has no memory")
	}
	i.input = unsafe.Slice((*byte)(tensor.Data()), product(want.shape))
	for k, out := range m.Outputs {
		tensor := i.interpreter.GetOutputTensor(k)
		want := expectation{fmt.Sprintf("output %d (%s)", k, out.Name), out.Shape, out.Scale, out.ZeroPoint}
		if m.Detector != nil {
			want.shape = m.Detector.shape(k, out.Shape, width, height)
		}
		if err := want.compare(tensor); err != nil {
			return err
		}
		i.handles = append(i.handles, tensor)
		i.outputs = append(i.outputs, Tensor{Name: out.Name, Shape: tensor.Shape(), Scale: out.Scale, ZeroPoint: out.ZeroPoint})
	}
	return nil
}

// shape fills the height and width of output k of a detector whose input has that size.
func (d *DetectorHead) shape(k int, shape []int, width, height int) []int {
	for _, head := range d.heads() {
		if level := slices.Index(head.outputs, k); level >= 0 {
			return []int{1, height / d.Strides[level], width / d.Strides[level], head.channels}
		}
	}
	return shape
}

// expectation is what the manifest says of a tensor; -1 in shape means any.
type expectation struct {
	what  string
	shape []int
	scale float64
	zero  int
}

func (e expectation) compare(t *tflite.Tensor) error {
	if t == nil {
		return fmt.Errorf("%s is missing in the network", e.what)
	}
	if t.Type() != tflite.Int8 {
		return fmt.Errorf("%s has type %v, the manifest says int8", e.what, t.Type())
	}
	shape := t.Shape()
	same := func(a, b int) bool { return a == b || b == -1 && a > 0 }
	if !slices.EqualFunc(shape, e.shape, same) {
		return fmt.Errorf("%s has shape %v, the manifest says %v", e.what, shape, e.shape)
	}
	q := t.QuantizationParams()
	if q.ZeroPoint != e.zero || math.Abs(q.Scale-e.scale) > 1e-5*e.scale {
		return fmt.Errorf("%s has scale %g and zero point %d, the manifest says %g and %d",
			e.what, q.Scale, q.ZeroPoint, e.scale, e.zero)
	}
	if bytes := t.ByteSize(); bytes != uint(product(shape)) { //nolint:gosec // positive
		return fmt.Errorf("%s has %d bytes for shape %v", e.what, bytes, shape)
	}
	return nil
}

// SetPixels fills the input with a picture of its size: height*width*3 bytes, row by row without gaps, BGR. The conversion
// to the network's order and quantisation is done here.
func (i *Interpreter) SetPixels(bgr []byte) error {
	if i.interpreter == nil {
		return ErrClosed
	}
	if len(bgr) != len(i.input) || len(bgr) == 0 {
		return fmt.Errorf("models: %d bytes of pixels for an input of %dx%d (%d)", len(bgr), i.width, i.height, len(i.input))
	}
	i.pixels.fill(i.input, bgr)
	return nil
}

// Invoke runs the network on the pixels set before. All outputs read before become invalid.
func (i *Interpreter) Invoke() error {
	if i.interpreter == nil {
		return ErrClosed
	}
	if len(i.input) == 0 {
		return errors.New("models: invoke after a failed resize")
	}
	if i.interpreter.Invoke() != tflite.OK {
		return i.reports.explain("the network failed")
	}
	return nil
}

// Outputs returns the number of outputs.
func (i *Interpreter) Outputs() int { return len(i.model.Manifest.Outputs) }

// Output returns output k, in the order of the manifest, as the last Invoke left it. k outside 0..Outputs()-1, and any k
// after Close, gives a Tensor without data.
func (i *Interpreter) Output(k int) Tensor {
	if k < 0 || k >= len(i.outputs) {
		return Tensor{}
	}
	out := i.outputs[k]
	if data := i.handles[k].Data(); data != nil {
		out.Data = unsafe.Slice((*int8)(data), product(out.Shape))
	}
	return out
}

// Close frees the interpreter. Slices got from Output must not be used any more. A second Close does nothing.
func (i *Interpreter) Close() error {
	i.input, i.handles, i.outputs = nil, nil, nil
	if i.interpreter != nil {
		i.interpreter.Delete()
		i.interpreter = nil
	}
	if i.accelerator != nil {
		i.accelerator.Delete()
		i.accelerator = nil
	}
	if i.network != nil {
		i.network.Delete()
		i.network = nil
	}
	return nil
}
