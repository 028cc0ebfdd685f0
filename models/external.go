package models

/*
#cgo LDFLAGS: -ltensorflowlite_c -ldl
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

// The header of the delegate is not part of the published C headers: a path, a count, 256 keys, 256 values and a function.
typedef struct { char opaque[8192]; } facesieve_external_options;
struct TfLiteDelegate;
facesieve_external_options TfLiteExternalDelegateOptionsDefault(const char* path);
int TfLiteExternalDelegateOptionsInsert(facesieve_external_options* options, const char* key, const char* value);
struct TfLiteDelegate* TfLiteExternalDelegateCreate(const facesieve_external_options* options);
void TfLiteExternalDelegateDelete(struct TfLiteDelegate* delegate);

// facesieve_external_check tells why the library cannot be a delegate; TFLite itself only says that it is not one.
static int facesieve_external_check(const char* path, char* why, size_t size) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    snprintf(why, size, "%s", dlerror());
    return 0;
  }
  int ok = dlsym(library, "tflite_plugin_create_delegate") != NULL && dlsym(library, "tflite_plugin_destroy_delegate") != NULL;
  if (!ok) snprintf(why, size, "it is no TensorFlow Lite delegate (tflite_plugin_create_delegate is missing)");
  dlclose(library);
  return ok;
}

static struct TfLiteDelegate* facesieve_external_create(const char* path, char** keys, char** values, int count) {
  facesieve_external_options options = TfLiteExternalDelegateOptionsDefault(path);
  for (int i = 0; i < count; i++) {
    if (TfLiteExternalDelegateOptionsInsert(&options, keys[i], values[i]) != 0) return NULL;
  }
  return TfLiteExternalDelegateCreate(&options);
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

// external is a delegate from a shared library. It implements delegates.Delegater of go-tflite.
type external struct{ delegate *C.struct_TfLiteDelegate }

func newExternal(path string, options map[string]string) (delegates.Delegater, error) {
	cpath := C.CString(path)
	defer C.free(unsafe.Pointer(cpath))
	var why [512]C.char
	if C.facesieve_external_check(cpath, &why[0], C.size_t(len(why))) == 0 {
		return nil, fmt.Errorf("library %s cannot be loaded: %s", path, C.GoString(&why[0]))
	}
	// One more than needed, so that the arrays are never empty.
	keys, values := make([]*C.char, len(options)+1), make([]*C.char, len(options)+1)
	for i, key := range slices.Sorted(maps.Keys(options)) {
		keys[i], values[i] = C.CString(key), C.CString(options[key])
		defer C.free(unsafe.Pointer(keys[i]))
		defer C.free(unsafe.Pointer(values[i]))
	}
	delegate := C.facesieve_external_create(cpath, &keys[0], &values[0], C.int(len(options))) //nolint:gosec // at most 256
	if delegate == nil {
		return nil, fmt.Errorf("library %s made no delegate with the options %v", path, options)
	}
	return &external{delegate: delegate}, nil
}

// Ptr returns the TfLiteDelegate.
func (e *external) Ptr() unsafe.Pointer { return unsafe.Pointer(e.delegate) }

// Delete frees the delegate, after the interpreter that uses it.
func (e *external) Delete() { C.TfLiteExternalDelegateDelete(e.delegate) }
