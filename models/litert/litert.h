// The part of LiteRT's C interface that facesieve uses, as it is in ai-edge-litert 2.3.0. No package contains LiteRT's
// headers, and another minor version may have other signatures: the Go code loads only the library that this file was
// written for.
#ifndef FACESIEVE_LITERT_H
#define FACESIEVE_LITERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int LiteRtStatus; // 0: success
typedef void* LiteRtHandle;

enum { LITERT_INT8 = 9 };                  // element type
enum { LITERT_CPU = 1, LITERT_GPU = 2 };   // hardware accelerators, a bit each
enum { LITERT_MAX_RANK = 8, LITERT_MAX_TENSORS = 32, LITERT_ALIGNMENT = 64 };

typedef struct {
  int type, unused; // of the value: LITERT_ANY_*
  union {
    int64_t integer;
    const char* text;
  };
} LiteRtAny;
enum { LITERT_ANY_INT = 2, LITERT_ANY_STRING = 8 };

typedef struct {
  int tag, unused; // LITERT_OPTION_*
  LiteRtAny value;
} LiteRtEnvOption;
enum { LITERT_OPTION_RUNTIME_DIRECTORY = 22, LITERT_OPTION_REGISTER = 24, LITERT_OPTION_LOG_SEVERITY = 25 };

typedef struct {
  unsigned rank : 7, has_strides : 1;
  int32_t dimensions[LITERT_MAX_RANK];
  uint32_t strides[LITERT_MAX_RANK];
} LiteRtLayout;

typedef struct {
  int element;
  LiteRtLayout layout;
} LiteRtRankedTensorType;

typedef struct {
  float scale;
  int64_t zero_point;
} LiteRtQuantizationPerTensor;

_Static_assert(sizeof(LiteRtAny) == 16 && sizeof(LiteRtEnvOption) == 24, "options as in LiteRT 2.3.0");
_Static_assert(sizeof(LiteRtLayout) == 68 && sizeof(LiteRtRankedTensorType) == 72, "layouts as in LiteRT 2.3.0");
_Static_assert(sizeof(LiteRtQuantizationPerTensor) == 16, "quantisation as in LiteRT 2.3.0");

// LITERT_FUNCTIONS calls DO for each function of the library: its result, its name without LiteRt, its parameters.
#define LITERT_FUNCTIONS(DO)                                                                                        \
  DO(LiteRtStatus, CreateEnvironment, (int, const LiteRtEnvOption*, LiteRtHandle*))                                 \
  DO(LiteRtStatus, CreateModelFromBuffer, (LiteRtHandle, const void*, size_t, LiteRtHandle*))                       \
  DO(void, DestroyModel, (LiteRtHandle))                                                                            \
  DO(LiteRtStatus, GetModelSignature, (LiteRtHandle, size_t, LiteRtHandle*))                                        \
  DO(LiteRtStatus, GetNumSignatureInputs, (LiteRtHandle, size_t*))                                                  \
  DO(LiteRtStatus, GetNumSignatureOutputs, (LiteRtHandle, size_t*))                                                 \
  DO(LiteRtStatus, GetSignatureInputTensorByIndex, (LiteRtHandle, size_t, LiteRtHandle*))                           \
  DO(LiteRtStatus, GetSignatureOutputTensorByIndex, (LiteRtHandle, size_t, LiteRtHandle*))                          \
  DO(LiteRtStatus, GetRankedTensorType, (LiteRtHandle, LiteRtRankedTensorType*))                                    \
  DO(LiteRtStatus, GetPerTensorQuantization, (LiteRtHandle, LiteRtQuantizationPerTensor*))                          \
  DO(LiteRtStatus, CreateOptions, (LiteRtHandle*))                                                                  \
  DO(void, DestroyOptions, (LiteRtHandle))                                                                          \
  DO(LiteRtStatus, SetOptionsHardwareAccelerators, (LiteRtHandle, int))                                             \
  DO(LiteRtStatus, CreateOpaqueOptions, (const char*, void*, void (*)(void*), LiteRtHandle*))                       \
  DO(LiteRtStatus, AddOpaqueOptions, (LiteRtHandle, LiteRtHandle))                                                  \
  DO(LiteRtStatus, CreateCompiledModel, (LiteRtHandle, LiteRtHandle, LiteRtHandle, LiteRtHandle*))                  \
  DO(void, DestroyCompiledModel, (LiteRtHandle))                                                                    \
  DO(LiteRtStatus, CompiledModelIsNonCpuFullyAccelerated, (LiteRtHandle, bool*))                                    \
  DO(LiteRtStatus, CompiledModelResizeInputTensorNonStrict, (LiteRtHandle, size_t, size_t, const int*, size_t))     \
  DO(LiteRtStatus, GetCompiledModelInputTensorLayout, (LiteRtHandle, size_t, size_t, LiteRtLayout*))                \
  DO(LiteRtStatus, GetCompiledModelOutputTensorLayouts, (LiteRtHandle, size_t, size_t, LiteRtLayout*, bool))        \
  DO(LiteRtStatus, CreateTensorBufferFromHostMemory,                                                                \
     (const LiteRtRankedTensorType*, void*, size_t, void (*)(void*), LiteRtHandle*))                                \
  DO(void, DestroyTensorBuffer, (LiteRtHandle))                                                                     \
  DO(LiteRtStatus, RunCompiledModel, (LiteRtHandle, size_t, size_t, LiteRtHandle*, size_t, LiteRtHandle*))

typedef struct {
#define FACESIEVE_FIELD(result, name, parameters) result(*name) parameters;
  LITERT_FUNCTIONS(FACESIEVE_FIELD)
#undef FACESIEVE_FIELD
} LiteRt;

// facesieve_fault describes a failed call. It is empty, with what[0] == 0, after a successful one.
typedef struct {
  int status;      // of LiteRT; 0: the failure is not one of LiteRT, or there is none
  bool no_answer;  // the call did not return within its limit
  char what[128];  // failed
  char log[4096];  // the lines that LiteRT and the driver of the GPU wrote meanwhile
} facesieve_fault;

typedef struct facesieve_environment facesieve_environment;
typedef struct facesieve_network facesieve_network;

// facesieve_tensor is an input or output. Its memory belongs to its facesieve_compiled; NULL: it is not int8.
typedef struct {
  int element;
  size_t rank;
  int32_t shape[LITERT_MAX_RANK];
  float scale;
  int64_t zero_point;
  void* data;
  size_t bytes;
  LiteRtHandle handle; // of its buffer
} facesieve_tensor;

// facesieve_compiled is a network for one input size.
typedef struct {
  facesieve_network* network;
  LiteRtHandle handle;
  size_t inputs, outputs;
  facesieve_tensor tensors[LITERT_MAX_TENSORS]; // the inputs first
} facesieve_compiled;

// Calls with a limit (milliseconds) return after it at the latest, with a fault that has no_answer. From then on all
// calls of this environment fail so at once, and nothing of it is freed, because the driver may still use it. A fault
// means that nothing was created.

// facesieve_litert_open loads the library at path. With gpu it also loads the accelerator in the same folder. The
// environment stays until the process ends: the driver keeps threads, and open files that belong to its thread.
facesieve_environment* facesieve_litert_open(const char* path, bool gpu, int limit, facesieve_fault* fault);

// facesieve_litert_network reads a network. Its bytes must stay unchanged until it is freed.
facesieve_network* facesieve_litert_network(
    facesieve_environment* e, const void* bytes, size_t size, int limit, facesieve_fault* fault);
// facesieve_litert_free_network returns whether the bytes are unused from now on.
bool facesieve_litert_free_network(facesieve_network* network, int limit);

// facesieve_litert_compile compiles a network for an input of this shape; rank 0 stands for the shape in the file.
facesieve_compiled* facesieve_litert_compile(facesieve_network* network, int threads, const int* shape, size_t rank,
                                             int limit, facesieve_fault* fault);
// facesieve_litert_run reads the memory of the inputs and writes that of the outputs.
void facesieve_litert_run(facesieve_compiled* compiled, int limit, facesieve_fault* fault);
void facesieve_litert_free_compiled(facesieve_compiled* compiled, int limit);

// facesieve_litert_adapter writes the name of the GPU, or nothing if no network was compiled for it.
void facesieve_litert_adapter(facesieve_environment* e, char* name, size_t size);

#endif
