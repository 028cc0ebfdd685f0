// XNNPACK as an external delegate, for tests. Its options: threads, a number; another one is refused.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct TfLiteDelegate;

// Longer than the options of every version, as in package models.
typedef struct { int32_t num_threads; char rest[1020]; } Options;
Options TfLiteXNNPackDelegateOptionsDefault(void);
struct TfLiteDelegate* TfLiteXNNPackDelegateCreate(const Options* options);
void TfLiteXNNPackDelegateDelete(struct TfLiteDelegate* delegate);

struct TfLiteDelegate* tflite_plugin_create_delegate(const char* const* keys, const char* const* values, size_t count,
                                                     void (*report)(const char*)) {
  Options options = TfLiteXNNPackDelegateOptionsDefault();
  for (size_t i = 0; i < count; i++) {
    char* end = NULL;
    if (strcmp(keys[i], "threads") == 0) options.num_threads = (int32_t)strtol(values[i], &end, 10);
    if (end == NULL || *end != 0 || end == values[i]) {
      char message[200];
      snprintf(message, sizeof message, "option %s: %s", keys[i], values[i]);
      report(message);
      return NULL;
    }
  }
  return TfLiteXNNPackDelegateCreate(&options);
}

void tflite_plugin_destroy_delegate(struct TfLiteDelegate* delegate) { TfLiteXNNPackDelegateDelete(delegate); }
