package models

/*
#cgo LDFLAGS: -ltensorflowlite_c -ldl
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct TfLiteDelegate;

// The header of XNNPACK's delegate is not part of the published C headers. Its options begin with the number of threads
// and get longer with each version. This struct is longer than all of them, because the function returns it by value.
typedef struct { int32_t num_threads; char rest[1020]; } facesieve_xnnpack_options;
facesieve_xnnpack_options TfLiteXNNPackDelegateOptionsDefault(void);
struct TfLiteDelegate* TfLiteXNNPackDelegateCreate(const facesieve_xnnpack_options* options);
void TfLiteXNNPackDelegateDelete(struct TfLiteDelegate* delegate);

static struct TfLiteDelegate* facesieve_xnnpack_create(int32_t threads) {
  facesieve_xnnpack_options options = TfLiteXNNPackDelegateOptionsDefault();
  options.num_threads = threads;
  return TfLiteXNNPackDelegateCreate(&options);
}

typedef struct TfLiteDelegate* (*facesieve_create)(
    const char* const* keys, const char* const* values, size_t count, void (*report)(const char*));
typedef void (*facesieve_destroy)(struct TfLiteDelegate*);

static __thread char facesieve_why[512];

static void facesieve_report(const char* message) { snprintf(facesieve_why, sizeof facesieve_why, "%s", message); }

// facesieve_open loads a library; on failure it returns NULL and fills why.
static void* facesieve_open(const char* path, char* why, size_t size) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    snprintf(why, size, "%s", dlerror());
  } else if (dlsym(library, "tflite_plugin_create_delegate") == NULL ||
             dlsym(library, "tflite_plugin_destroy_delegate") == NULL) {
    snprintf(why, size, "it is no TensorFlow Lite delegate, tflite_plugin_create_delegate is missing");
    dlclose(library);
    library = NULL;
  }
  return library;
}

// facesieve_make calls the library; on failure it returns NULL and fills why with the message of the library, if any.
static struct TfLiteDelegate* facesieve_make(
    void* library, const char* const* keys, const char* const* values, size_t count, char* why, size_t size) {
  facesieve_create create = (facesieve_create)dlsym(library, "tflite_plugin_create_delegate");
  facesieve_why[0] = 0;
  struct TfLiteDelegate* delegate = create(keys, values, count, facesieve_report);
  snprintf(why, size, "%s", facesieve_why);
  return delegate;
}

static void facesieve_unmake(void* library, struct TfLiteDelegate* delegate) {
  ((facesieve_destroy)dlsym(library, "tflite_plugin_destroy_delegate"))(delegate);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unsafe"

	"github.com/mattn/go-tflite/delegates"
)

// newDelegate returns the delegate that rt names; nil for none.
func newDelegate(rt Runtime) (delegates.Delegater, error) {
	switch rt.Delegate {
	case DelegateXNNPACK:
		return newXNNPACK(rt.Threads)
	case DelegateExternal:
		return newExternal(rt.Library, rt.Options)
	default:
		return nil, nil //nolint:nilnil // none is configured
	}
}

// xnnpack is the CPU delegate. It implements delegates.Delegater of go-tflite.
type xnnpack struct{ delegate *C.struct_TfLiteDelegate }

func newXNNPACK(threads int) (delegates.Delegater, error) {
	delegate := C.facesieve_xnnpack_create(C.int32_t(threads)) //nolint:gosec // 1..64, see Runtime.Validate
	if delegate == nil {
		return nil, errors.New("the XNNPACK delegate cannot be created")
	}
	return &xnnpack{delegate: delegate}, nil
}

// Ptr returns the TfLiteDelegate.
func (x *xnnpack) Ptr() unsafe.Pointer { return unsafe.Pointer(x.delegate) }

// Delete frees the delegate, after the interpreter that uses it.
func (x *xnnpack) Delete() { C.TfLiteXNNPackDelegateDelete(x.delegate) }

// external is a delegate from a shared library with TFLite's plug-in interface. It implements delegates.Delegater of
// go-tflite. The library is called directly, because TfLiteExternalDelegateCreate of the C API returns an uninitialised
// delegate if the library creates none, and drops the reason.
type external struct {
	library  unsafe.Pointer
	delegate *C.struct_TfLiteDelegate
}

func newExternal(path string, options map[string]string) (delegates.Delegater, error) {
	cpath := C.CString(path)
	defer C.free(unsafe.Pointer(cpath))
	var why [512]C.char
	library := C.facesieve_open(cpath, &why[0], C.size_t(len(why)))
	if library == nil {
		return nil, fmt.Errorf("library %s cannot be loaded: %s", path, C.GoString(&why[0]))
	}
	// One more than the options, so that the arrays are never empty.
	keys, values := make([]*C.char, len(options)+1), make([]*C.char, len(options)+1)
	for i, key := range slices.Sorted(maps.Keys(options)) {
		keys[i], values[i] = C.CString(key), C.CString(options[key])
		defer C.free(unsafe.Pointer(keys[i]))
		defer C.free(unsafe.Pointer(values[i]))
	}
	delegate := C.facesieve_make(library, &keys[0], &values[0], C.size_t(len(options)), &why[0], C.size_t(len(why)))
	if delegate == nil {
		C.dlclose(library)
		return nil, fmt.Errorf("library %s created no delegate with the options %v: %q", path, options, C.GoString(&why[0]))
	}
	return &external{library: library, delegate: delegate}, nil
}

// Ptr returns the TfLiteDelegate.
func (e *external) Ptr() unsafe.Pointer { return unsafe.Pointer(e.delegate) }

// Delete frees the delegate, after the interpreter that uses it. The library stays loaded, because drivers of
// accelerators keep threads, which would crash in unmapped code.
func (e *external) Delete() { C.facesieve_unmake(e.library, e.delegate) }
