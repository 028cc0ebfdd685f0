#define _GNU_SOURCE
#include "litert.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

struct facesieve_environment {
  facesieve_worker* worker;
  LiteRt api;
  bool gpu;
  LiteRtHandle handle;
  char folder[4096]; // of the library
  pthread_mutex_t mutex;
  char adapter[128];
};

struct facesieve_network {
  facesieve_environment* environment;
  LiteRtHandle model, signature;
};

// call is a call of LiteRT with its arguments and its result. It is on the heap, and leaks if LiteRT does not return.
typedef struct {
  facesieve_call base;
  facesieve_environment* environment;
  facesieve_network* network;
  facesieve_compiled* compiled;
  char path[4096];
  const void* bytes;
  size_t size;
  int threads, shape[LITERT_MAX_RANK];
  size_t rank;
  int status;
  char what[128]; // failed; empty: nothing
} call;

// TRY ends the enclosing function if a function of LiteRT fails.
#define TRY(c, api, name, ...)                                \
  do {                                                        \
    (c)->status = (api)->name(__VA_ARGS__);                   \
    if ((c)->status != 0) {                                   \
      snprintf((c)->what, sizeof(c)->what, "LiteRt%s", #name); \
      return;                                                 \
    }                                                         \
  } while (0)

static call* new_call(facesieve_environment* e, void (*work)(facesieve_call*), facesieve_fault* fault) {
  memset(fault, 0, sizeof *fault);
  call* c = calloc(1, sizeof *c);
  if (c == NULL) {
    snprintf(fault->what, sizeof fault->what, "no memory");
    return NULL;
  }
  c->base.work = work;
  c->environment = e;
  return c;
}

// read_adapter keeps the name of the GPU from a line as "Selected adapter: NAME, arch=...".
static void read_adapter(facesieve_environment* e, const char* log) {
  static const char before[] = "Selected adapter: ";
  const char* name = strstr(log, before);
  if (name == NULL) return;
  name += sizeof before - 1;
  size_t n = strcspn(name, ",\n");
  if (n >= sizeof e->adapter) n = sizeof e->adapter - 1;
  pthread_mutex_lock(&e->mutex);
  memcpy(e->adapter, name, n);
  e->adapter[n] = 0;
  pthread_mutex_unlock(&e->mutex);
}

// perform runs a call on the worker's thread, and frees it. It returns whether the call succeeded.
static bool perform(call* c, int limit, facesieve_fault* fault) {
  facesieve_environment* e = c->environment;
  if (!worker_perform(e->worker, &c->base, limit)) {
    fault->no_answer = true;
    snprintf(fault->what, sizeof fault->what, "no answer");
    return false; // c leaks
  }
  read_adapter(e, c->base.log);
  bool ok = c->what[0] == 0;
  fault->status = c->status;
  memcpy(fault->what, c->what, sizeof c->what);
  memcpy(fault->log, c->base.log, sizeof c->base.log);
  free(c);
  return ok;
}

static void open_library(facesieve_call* base) {
  call* c = (call*)base;
  facesieve_environment* e = c->environment;
  LiteRt* api = &e->api;
  void* library = dlopen(c->path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    snprintf(c->what, sizeof c->what, "the library cannot be loaded");
    fprintf(stderr, "%s\n", dlerror());
    return;
  }
#define FACESIEVE_LOOKUP(result, name, parameters)                             \
  *(void**)&api->name = dlsym(library, "LiteRt" #name);                        \
  if (api->name == NULL) {                                                     \
    snprintf(c->what, sizeof c->what, "the library has no LiteRt%s", #name);   \
    return;                                                                    \
  }
  LITERT_FUNCTIONS(FACESIEVE_LOOKUP)
#undef FACESIEVE_LOOKUP
  const int warnings = 3; // severity
  const LiteRtEnvOption options[] = {
      {LITERT_OPTION_LOG_SEVERITY, 0, {LITERT_ANY_INT, 0, {.integer = warnings}}},
      // Without this option every accelerator in the folder is loaded.
      {LITERT_OPTION_REGISTER, 0, {LITERT_ANY_INT, 0, {.integer = e->gpu ? LITERT_GPU : LITERT_CPU}}},
      {LITERT_OPTION_RUNTIME_DIRECTORY, 0, {LITERT_ANY_STRING, 0, {.text = e->folder}}},
  };
  TRY(c, api, CreateEnvironment, 3, options, &e->handle);
}

facesieve_environment* facesieve_litert_open(const char* path, bool gpu, int limit, facesieve_fault* fault) {
  facesieve_environment* e = calloc(1, sizeof *e);
  call* c = new_call(e, open_library, fault);
  const char* slash = strrchr(path, '/');
  if (e == NULL || c == NULL || (e->worker = worker_start()) == NULL) {
    snprintf(fault->what, sizeof fault->what, "no memory, thread or file for LiteRT");
    free(c);
    free(e);
    return NULL;
  }
  pthread_mutex_init(&e->mutex, NULL);
  e->gpu = gpu;
  snprintf(c->path, sizeof c->path, "%s", path);
  snprintf(e->folder, sizeof e->folder, "%.*s", slash == NULL ? 1 : (int)(slash - path), slash == NULL ? "." : path);
  if (perform(c, limit, fault)) return e;
  if (!fault->no_answer) {
    worker_stop(e->worker);
    free(e);
  }
  return NULL;
}

static void read_network(facesieve_call* base) {
  call* c = (call*)base;
  LiteRt* api = &c->environment->api;
  facesieve_network* network = c->network;
  TRY(c, api, CreateModelFromBuffer, c->environment->handle, c->bytes, c->size, &network->model);
  TRY(c, api, GetModelSignature, network->model, 0, &network->signature);
}

static void free_network(facesieve_call* base) {
  call* c = (call*)base;
  if (c->network->model != NULL) c->environment->api.DestroyModel(c->network->model);
}

facesieve_network* facesieve_litert_network(
    facesieve_environment* e, const void* bytes, size_t size, int limit, facesieve_fault* fault) {
  call* c = new_call(e, read_network, fault);
  if (c == NULL) return NULL;
  facesieve_network* network = calloc(1, sizeof *network);
  if (network == NULL) {
    snprintf(fault->what, sizeof fault->what, "no memory");
    free(c);
    return NULL;
  }
  network->environment = e;
  c->network = network;
  c->bytes = bytes;
  c->size = size;
  if (perform(c, limit, fault)) return network;
  if (!fault->no_answer) facesieve_litert_free_network(network, limit);
  return NULL;
}

bool facesieve_litert_free_network(facesieve_network* network, int limit) {
  facesieve_fault fault;
  call* c = new_call(network->environment, free_network, &fault);
  if (c == NULL) return false; // it leaks
  c->network = network;
  bool freed = perform(c, limit, &fault);
  if (freed) free(network);
  return freed;
}

// describe fills the tensors of a compiled network and creates their buffers.
static void describe(call* c, const LiteRtLayout* layouts) {
  LiteRt* api = &c->environment->api;
  facesieve_compiled* compiled = c->compiled;
  for (size_t i = 0; i < compiled->inputs + compiled->outputs; i++) {
    facesieve_tensor* t = &compiled->tensors[i];
    LiteRtHandle handle = NULL;
    if (i < compiled->inputs) {
      TRY(c, api, GetSignatureInputTensorByIndex, c->network->signature, i, &handle);
    } else {
      TRY(c, api, GetSignatureOutputTensorByIndex, c->network->signature, i - compiled->inputs, &handle);
    }
    LiteRtRankedTensorType type;
    TRY(c, api, GetRankedTensorType, handle, &type);
    type.layout = layouts[i];
    t->element = type.element;
    t->rank = type.layout.rank;
    size_t bytes = 1;
    for (size_t k = 0; k < t->rank && k < LITERT_MAX_RANK; k++) {
      t->shape[k] = type.layout.dimensions[k];
      bytes *= t->shape[k] > 0 ? (size_t)t->shape[k] : 0;
    }
    if (type.element != LITERT_INT8 || bytes == 0) continue; // the caller refuses it
    LiteRtQuantizationPerTensor quantization;
    TRY(c, api, GetPerTensorQuantization, handle, &quantization);
    t->scale = quantization.scale;
    t->zero_point = quantization.zero_point;
    size_t room = (bytes + LITERT_ALIGNMENT - 1) / LITERT_ALIGNMENT * LITERT_ALIGNMENT;
    if ((t->data = aligned_alloc(LITERT_ALIGNMENT, room)) == NULL) {
      snprintf(c->what, sizeof c->what, "no memory for a tensor");
      return;
    }
    memset(t->data, 0, room);
    t->bytes = bytes;
    TRY(c, api, CreateTensorBufferFromHostMemory, &type, t->data, bytes, NULL, &t->handle);
  }
}

static void compile_with(call* c, LiteRtHandle options) {
  LiteRt* api = &c->environment->api;
  const bool gpu = c->environment->gpu;
  facesieve_compiled* compiled = c->compiled;
  // With the CPU as well, LiteRT would use it silently in place of the GPU.
  TRY(c, api, SetOptionsHardwareAccelerators, options, gpu ? LITERT_GPU : LITERT_CPU);
  char* text = NULL; // LiteRT frees it
  // Precision 2 is float32: with float16, the default, the landmarks network drifts by up to 60 quantisation steps.
  if ((gpu ? asprintf(&text, "precision = 2\n") : asprintf(&text, "num_threads = %d\n", c->threads)) < 0) {
    snprintf(c->what, sizeof c->what, "no memory");
    return;
  }
  LiteRtHandle opaque = NULL;
  TRY(c, api, CreateOpaqueOptions, gpu ? "gpu_options" : "xnnpack", text, free, &opaque);
  TRY(c, api, AddOpaqueOptions, options, opaque);
  TRY(c, api, CreateCompiledModel, c->environment->handle, c->network->model, options, &compiled->handle);
  bool complete = true;
  if (gpu) TRY(c, api, CompiledModelIsNonCpuFullyAccelerated, compiled->handle, &complete);
  if (!complete) {
    snprintf(c->what, sizeof c->what, "the GPU can run only a part of the network");
    return;
  }
  if (c->rank > 0) {
    TRY(c, api, CompiledModelResizeInputTensorNonStrict, compiled->handle, 0, 0, c->shape, c->rank);
  }
  TRY(c, api, GetNumSignatureInputs, c->network->signature, &compiled->inputs);
  TRY(c, api, GetNumSignatureOutputs, c->network->signature, &compiled->outputs);
  if (compiled->inputs + compiled->outputs > LITERT_MAX_TENSORS) {
    compiled->inputs = compiled->outputs = 0;
    snprintf(c->what, sizeof c->what, "more than %d inputs and outputs", LITERT_MAX_TENSORS);
    return;
  }
  LiteRtLayout layouts[LITERT_MAX_TENSORS] = {0};
  for (size_t i = 0; i < compiled->inputs; i++) {
    TRY(c, api, GetCompiledModelInputTensorLayout, compiled->handle, 0, i, &layouts[i]);
  }
  TRY(c, api, GetCompiledModelOutputTensorLayouts, compiled->handle, 0, compiled->outputs,
      layouts + compiled->inputs, true);
  describe(c, layouts);
}

static void compile(facesieve_call* base) {
  call* c = (call*)base;
  LiteRt* api = &c->environment->api;
  LiteRtHandle options = NULL;
  TRY(c, api, CreateOptions, &options);
  compile_with(c, options);
  api->DestroyOptions(options);
}

static void free_compiled(facesieve_call* base) {
  call* c = (call*)base;
  LiteRt* api = &c->environment->api;
  for (size_t i = 0; i < c->compiled->inputs + c->compiled->outputs; i++) {
    if (c->compiled->tensors[i].handle != NULL) api->DestroyTensorBuffer(c->compiled->tensors[i].handle);
    free(c->compiled->tensors[i].data);
  }
  if (c->compiled->handle != NULL) api->DestroyCompiledModel(c->compiled->handle);
}

facesieve_compiled* facesieve_litert_compile(facesieve_network* network, int threads, const int* shape, size_t rank,
                                             int limit, facesieve_fault* fault) {
  call* c = new_call(network->environment, compile, fault);
  if (c == NULL) return NULL;
  facesieve_compiled* compiled = calloc(1, sizeof *compiled);
  if (compiled == NULL || rank > LITERT_MAX_RANK) {
    snprintf(fault->what, sizeof fault->what, compiled == NULL ? "no memory" : "more than 8 dimensions");
    free(compiled);
    free(c);
    return NULL;
  }
  compiled->network = network;
  c->network = network;
  c->compiled = compiled;
  c->threads = threads;
  memcpy(c->shape, shape, rank * sizeof *shape);
  c->rank = rank;
  if (perform(c, limit, fault)) return compiled;
  if (!fault->no_answer) facesieve_litert_free_compiled(compiled, limit);
  return NULL;
}

void facesieve_litert_free_compiled(facesieve_compiled* compiled, int limit) {
  facesieve_fault fault;
  call* c = new_call(compiled->network->environment, free_compiled, &fault);
  if (c == NULL) return; // it leaks
  c->compiled = compiled;
  if (perform(c, limit, &fault)) free(compiled);
}

static void run(facesieve_call* base) {
  call* c = (call*)base;
  facesieve_compiled* compiled = c->compiled;
  LiteRtHandle buffers[LITERT_MAX_TENSORS];
  for (size_t i = 0; i < compiled->inputs + compiled->outputs; i++) buffers[i] = compiled->tensors[i].handle;
  TRY(c, &c->environment->api, RunCompiledModel, compiled->handle, 0, compiled->inputs, buffers, compiled->outputs,
      buffers + compiled->inputs);
}

void facesieve_litert_run(facesieve_compiled* compiled, int limit, facesieve_fault* fault) {
  facesieve_environment* e = compiled->network->environment;
  call* c = new_call(e, run, fault);
  if (c == NULL) return;
  c->compiled = compiled;
  if (e->gpu) {
    perform(c, limit, fault);
    return;
  }
  c->base.work(&c->base); // the CPU answers, needs no files, and several networks run at the same time
  fault->status = c->status;
  memcpy(fault->what, c->what, sizeof c->what);
  free(c);
}

void facesieve_litert_adapter(facesieve_environment* e, char* name, size_t size) {
  pthread_mutex_lock(&e->mutex);
  snprintf(name, size, "%s", e->adapter);
  pthread_mutex_unlock(&e->mutex);
}
