package models

/*
#cgo LDFLAGS: -ltensorflowlite_c
#include <stdint.h>

// The header of the delegate is not part of the published C headers. Its options grow with every version but begin with the
// number of threads; here they are larger than any, so that the function, which returns them through memory, fits.
typedef struct { int32_t num_threads; char rest[1020]; } facesieve_xnnpack_options;
struct TfLiteDelegate;
facesieve_xnnpack_options TfLiteXNNPackDelegateOptionsDefault(void);
struct TfLiteDelegate* TfLiteXNNPackDelegateCreate(const facesieve_xnnpack_options* options);
void TfLiteXNNPackDelegateDelete(struct TfLiteDelegate* delegate);

static struct TfLiteDelegate* facesieve_xnnpack_create(int32_t threads) {
  facesieve_xnnpack_options options = TfLiteXNNPackDelegateOptionsDefault();
  options.num_threads = threads;
  return TfLiteXNNPackDelegateCreate(&options);
}
*/
import "C"

import (
	"errors"
	"unsafe"

	"github.com/mattn/go-tflite/delegates"
)

// xnnpack is the CPU delegate. It implements delegates.Delegater of go-tflite.
type xnnpack struct{ delegate *C.struct_TfLiteDelegate }

func newXNNPACK(threads int) (delegates.Delegater, error) {
	delegate := C.facesieve_xnnpack_create(C.int32_t(threads)) //nolint:gosec // 1..64, see Runtime.Validate
	if delegate == nil {
		return nil, errors.New("the XNNPACK delegate cannot be made")
	}
	return &xnnpack{delegate: delegate}, nil
}

// Ptr returns the TfLiteDelegate.
func (x *xnnpack) Ptr() unsafe.Pointer { return unsafe.Pointer(x.delegate) }

// Delete frees the delegate, after the interpreter that uses it.
func (x *xnnpack) Delete() { C.TfLiteXNNPackDelegateDelete(x.delegate) }
