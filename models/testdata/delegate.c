// An external delegate for tests. Option mode: idle (takes nothing), zeros (takes every operation and leaves zeros), broken
// (fails to prepare), refuse (is not made).
#include <stdlib.h>
#include <string.h>

#include <tensorflow/lite/core/c/common.h>

enum { IDLE, ZEROS, BROKEN };
typedef struct { TfLiteDelegate base; char room[64]; int mode; } Delegate;

// The library's registration, passed by value, is larger than that of the headers.
typedef struct { TfLiteRegistration base; char room[64]; } Registration;
typedef TfLiteStatus (*Replace)(TfLiteContext*, Registration, const TfLiteIntArray*, TfLiteDelegate*);

static TfLiteStatus zero(TfLiteContext* context, TfLiteNode* node) {
  for (int i = 0; i < node->outputs->size; i++) {
    TfLiteTensor* t = &context->tensors[node->outputs->data[i]];
    memset(t->data.raw, 0, t->bytes);
  }
  return kTfLiteOk;
}

static TfLiteStatus nothing(TfLiteContext* context, TfLiteNode* node) { return kTfLiteOk; }

static TfLiteStatus prepare(TfLiteContext* context, TfLiteDelegate* delegate) {
  int mode = ((Delegate*)delegate)->mode;
  if (mode == BROKEN) return kTfLiteError;
  if (mode == IDLE) return kTfLiteOk;
  TfLiteIntArray* plan = NULL;
  if (context->GetExecutionPlan(context, &plan) != kTfLiteOk) return kTfLiteError;
  Registration kernel = {0};
  kernel.base.invoke = zero;
  kernel.base.prepare = nothing;
  kernel.base.custom_name = "Zeros";
  kernel.base.version = 1;
  return ((Replace)context->ReplaceNodeSubsetsWithDelegateKernels)(context, kernel, plan, delegate);
}

TfLiteDelegate* tflite_plugin_create_delegate(const char* const* keys, const char* const* values, size_t count,
                                              void (*report)(const char*)) {
  int mode = IDLE;
  for (size_t i = 0; i < count; i++) {
    if (strcmp(keys[i], "mode") != 0) continue;
    if (strcmp(values[i], "refuse") == 0) {
      report("mode refuse was asked for");
      return NULL;
    }
    mode = strcmp(values[i], "zeros") == 0 ? ZEROS : strcmp(values[i], "broken") == 0 ? BROKEN : IDLE;
  }
  Delegate* delegate = calloc(1, sizeof *delegate);
  if (delegate == NULL) return NULL;
  delegate->base.data_ = delegate;
  delegate->base.Prepare = prepare;
  delegate->mode = mode;
  return &delegate->base;
}

void tflite_plugin_destroy_delegate(TfLiteDelegate* delegate) { free(delegate); }
