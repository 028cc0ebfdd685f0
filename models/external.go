package models

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

struct TfLiteDelegate;
typedef struct TfLiteDelegate* (*facesieve_create)(const char* const*, const char* const*, size_t, void (*)(const char*));
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

// facesieve_make calls the library; on failure it returns NULL and why holds what the library reported, if anything.
static struct TfLiteDelegate* facesieve_make(void* library, char** keys, char** values, size_t count, char* why, size_t size) {
  facesieve_create create = (facesieve_create)dlsym(library, "tflite_plugin_create_delegate");
  facesieve_why[0] = 0;
  struct TfLiteDelegate* delegate = create((const char* const*)keys, (const char* const*)values, count, facesieve_report);
  snprintf(why, size, "%s", facesieve_why);
  return delegate;
}

static void facesieve_unmake(void* library, struct TfLiteDelegate* delegate) {
  ((facesieve_destroy)dlsym(library, "tflite_plugin_destroy_delegate"))(delegate);
}
*/
import "C"

import (
	"fmt"
	"maps"
	"slices"
	"unsafe"

	"github.com/mattn/go-tflite/delegates"
)

// external is a delegate from a shared library with TFLite's plug-in interface. The library is called directly: the C
// API's TfLiteExternalDelegateCreate returns a delegate full of garbage when the library makes none, and passes no reason
// on. It implements delegates.Delegater of go-tflite.
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
	// One more than needed, so that the arrays are never empty.
	keys, values := make([]*C.char, len(options)+1), make([]*C.char, len(options)+1)
	for i, key := range slices.Sorted(maps.Keys(options)) {
		keys[i], values[i] = C.CString(key), C.CString(options[key])
		defer C.free(unsafe.Pointer(keys[i]))
		defer C.free(unsafe.Pointer(values[i]))
	}
	delegate := C.facesieve_make(library, &keys[0], &values[0], C.size_t(len(options)), &why[0], C.size_t(len(why)))
	if delegate == nil {
		C.dlclose(library)
		return nil, fmt.Errorf("library %s made no delegate with the options %v: %q", path, options, C.GoString(&why[0]))
	}
	return &external{library: library, delegate: delegate}, nil
}

// Ptr returns the TfLiteDelegate.
func (e *external) Ptr() unsafe.Pointer { return unsafe.Pointer(e.delegate) }

// Delete frees the delegate, after the interpreter that uses it. The library stays loaded: drivers of accelerators keep
// threads that would run into unmapped code.
func (e *external) Delete() { C.facesieve_unmake(e.library, e.delegate) }
