package models

/*
#cgo LDFLAGS: -ltensorflowlite_c
#include <tensorflow/lite/c/c_api.h>

// tflite::LoggerOptions::SetMinimumLogSeverity has no name in C. Weak: a library without it only writes more lines.
extern int _ZN6tflite13LoggerOptions21SetMinimumLogSeverityENS_11LogSeverityE(int severity) __attribute__((weak));

static void facesieve_log_warnings_only(void) {
  const int warning = 2;
  if (_ZN6tflite13LoggerOptions21SetMinimumLogSeverityENS_11LogSeverityE)
    _ZN6tflite13LoggerOptions21SetMinimumLogSeverityENS_11LogSeverityE(warning);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"unsafe"

	"github.com/mattn/go-tflite"
	"github.com/mattn/go-tflite/delegates"
)

// LibraryVersion returns the version of the TensorFlow Lite library that runs the networks, as in 2.20.0.
func LibraryVersion() string { return C.GoString(C.TfLiteVersion()) }

// tfliteEngine runs a network with TensorFlow Lite.
type tfliteEngine struct {
	// In the order of creation; freed in reverse.
	network     *tflite.Model
	delegate    delegates.Delegater // nil: none
	interpreter *tflite.Interpreter

	device  string
	entry   []byte
	outputs []*tflite.Tensor
	reports *reports
}

func openTFLite(network *os.File, rt Runtime) (engine, error) {
	C.facesieve_log_warnings_only() // "Created TensorFlow Lite XNNPACK delegate for CPU." is not an error
	e := &tfliteEngine{device: rt.Delegate, reports: &reports{}}
	if err := e.create(network, rt); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *tfliteEngine) describe() (library, device string) {
	return "TFLite " + LibraryVersion(), e.device
}

func (e *tfliteEngine) create(network *os.File, rt Runtime) (err error) {
	// go-tflite's function for bytes in memory copies them and never frees the copy, which would add up over reloads.
	if e.network = tflite.NewModelFromFile(fmt.Sprintf("/proc/self/fd/%d", network.Fd())); e.network == nil {
		return errors.New("TensorFlow Lite cannot read the network")
	}
	options := tflite.NewInterpreterOptions()
	if options == nil {
		return errors.New("no memory for options")
	}
	defer options.Delete()
	options.SetNumThread(rt.Threads)
	// go-tflite never frees this registration. The closure must hold neither the engine nor the network, only these
	// lines.
	reports := e.reports
	options.SetErrorReporter(func(message string, _ any) { reports.add(message) }, nil)
	if e.delegate, err = newDelegate(rt); err != nil {
		return fmt.Errorf("%w: %w", ErrNoRuntime, err)
	}
	if e.delegate != nil {
		options.AddDelegate(e.delegate)
	}
	if e.interpreter = tflite.NewInterpreter(e.network, options); e.interpreter == nil {
		return e.reports.explain("the network is refused")
	}
	return nil
}

func (e *tfliteEngine) resize(shape []int32) (inputs, outputs []tensorInfo, err error) {
	e.entry, e.outputs = nil, nil
	if n := e.interpreter.GetInputTensorCount(); n != 1 {
		return nil, nil, fmt.Errorf("%d inputs, one is supported", n)
	}
	if shape != nil && e.interpreter.ResizeInputTensor(0, shape) != tflite.OK {
		return nil, nil, e.reports.explain("the network does not accept the size")
	}
	if e.interpreter.AllocateTensors() != tflite.OK {
		return nil, nil, e.reports.explain("the tensors cannot be allocated")
	}
	entry := e.interpreter.GetInputTensor(0)
	inputs = append(inputs, describeTensor(entry))
	if data := entry.Data(); data != nil {
		e.entry = unsafe.Slice((*byte)(data), entry.ByteSize())
	}
	for k := range e.interpreter.GetOutputTensorCount() {
		tensor := e.interpreter.GetOutputTensor(k)
		e.outputs, outputs = append(e.outputs, tensor), append(outputs, describeTensor(tensor))
	}
	return inputs, outputs, nil
}

func describeTensor(t *tflite.Tensor) tensorInfo {
	q := t.QuantizationParams()
	return tensorInfo{
		int8: t.Type() == tflite.Int8, shape: t.Shape(), scale: q.Scale, zero: q.ZeroPoint,
		bytes: int(t.ByteSize()), //nolint:gosec // memory of this process
	}
}

func (e *tfliteEngine) input() []byte { return e.entry }

func (e *tfliteEngine) output(k int) []int8 {
	data := e.outputs[k].Data()
	if data == nil {
		return nil
	}
	return unsafe.Slice((*int8)(data), e.outputs[k].ByteSize())
}

func (e *tfliteEngine) invoke() error {
	if e.interpreter.Invoke() != tflite.OK {
		return e.reports.explain("the network failed")
	}
	return nil
}

func (e *tfliteEngine) close() {
	if e.interpreter != nil {
		e.interpreter.Delete()
	}
	if e.delegate != nil {
		e.delegate.Delete()
	}
	if e.network != nil {
		e.network.Delete()
	}
	*e = tfliteEngine{}
}

// maxReports bounds the messages kept; the first ones name the cause.
const maxReports = 8

// reports collects the error messages of the C library until the next error includes them. The library may report from
// any of its threads.
type reports struct {
	mutex sync.Mutex
	lines []string
}

func (r *reports) add(message string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(r.lines) < maxReports {
		r.lines = append(r.lines, strings.TrimSpace(message))
	}
}

// explain returns an error with what failed and all messages reported so far, which it removes.
func (r *reports) explain(what string) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(r.lines) == 0 {
		return errors.New(what)
	}
	reported := strings.Join(r.lines, "; ")
	r.lines = nil
	return errors.New(what + " (TensorFlow Lite: " + reported + ")")
}
