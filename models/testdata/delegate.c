// An external delegate for tests. The option mode is one of
// idle: computes nothing; zeros: replaces every operation and outputs zeros; broken: fails to prepare;
// refuse: is not created; large: changes the last output if the input is larger than that of a self-test;
// third: changes the last output in the third invocation at each size; stops: fails from the twentieth one at each size.
#include <stdlib.h>
#include <string.h>

#include <tensorflow/lite/core/c/common.h>

enum { IDLE, ZEROS, BROKEN, LARGE, STOPS, THIRD };
static const char* const modes[] = {"idle", "zeros", "broken", "large", "stops", "third"};
typedef struct { TfLiteDelegate base; char room[64]; int mode; } Delegate;

// The registration in the library is larger than that in the headers, and is passed by value.
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

// One hook for the last operation of each interpreter.
typedef struct {
  TfLiteNode* node;
  TfLiteStatus (*invoke)(TfLiteContext*, TfLiteNode*);
  int mode, input, count;
} Hook;
static Hook hooks[1024];

static TfLiteStatus hooked(TfLiteContext* context, TfLiteNode* node) {
  Hook* hook = hooks;
  while (hook->node != node) hook++;
  TfLiteStatus status = hook->invoke(context, node);
  hook->count++;
  if (hook->mode == STOPS) return hook->count < 20 ? status : kTfLiteError;
  const size_t self_test = 112 * 112 * 3;
  if (hook->mode == LARGE ? context->tensors[hook->input].bytes > self_test : hook->count == 3) {
    TfLiteTensor* t = &context->tensors[node->outputs->data[0]];
    for (size_t i = 0; i < t->bytes; i++) t->data.raw[i] ^= 0x80;
  }
  return status;
}

// hook replaces the last operation by hooked. When it prepares for another size, the count restarts.
static TfLiteStatus hook(TfLiteContext* context, const TfLiteIntArray* plan, int mode) {
  TfLiteNode* node = NULL;
  TfLiteRegistration* registration = NULL;
  if (context->GetNodeAndRegistration(context, plan->data[0], &node, &registration) != kTfLiteOk) return kTfLiteError;
  int input = node->inputs->data[0];
  int last = plan->data[plan->size - 1];
  if (context->GetNodeAndRegistration(context, last, &node, &registration) != kTfLiteOk) return kTfLiteError;
  Hook* free = hooks;
  while (free->node != NULL && free->node != node) free++;
  if (registration->invoke != hooked) *free = (Hook){node, registration->invoke, mode, input, 0};
  free->count = 0;
  registration->invoke = hooked;
  return kTfLiteOk;
}

static TfLiteStatus prepare(TfLiteContext* context, TfLiteDelegate* delegate) {
  int mode = ((Delegate*)delegate)->mode;
  if (mode == BROKEN) return kTfLiteError;
  if (mode == IDLE) return kTfLiteOk;
  TfLiteIntArray* plan = NULL;
  if (context->GetExecutionPlan(context, &plan) != kTfLiteOk) return kTfLiteError;
  if (mode == LARGE || mode == STOPS || mode == THIRD) return hook(context, plan, mode);
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
    for (mode = IDLE; mode < THIRD && strcmp(values[i], modes[mode]) != 0;) mode++;
  }
  Delegate* delegate = calloc(1, sizeof *delegate);
  if (delegate == NULL) return NULL;
  delegate->base.data_ = delegate;
  delegate->base.Prepare = prepare;
  delegate->mode = mode;
  return &delegate->base;
}

void tflite_plugin_destroy_delegate(TfLiteDelegate* delegate) { free(delegate); }
