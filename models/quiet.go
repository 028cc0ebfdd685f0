package models

/*
#cgo LDFLAGS: -ltensorflowlite_c
// tflite::LoggerOptions::SetMinimumLogSeverity has no C name. Weak: a library without it is only noisier.
extern int _ZN6tflite13LoggerOptions21SetMinimumLogSeverityENS_11LogSeverityE(int severity) __attribute__((weak));

static void facesieve_quiet(void) {
  const int warning = 2;
  if (_ZN6tflite13LoggerOptions21SetMinimumLogSeverityENS_11LogSeverityE)
    _ZN6tflite13LoggerOptions21SetMinimumLogSeverityENS_11LogSeverityE(warning);
}
*/
import "C"

// quiet stops TFLite from writing its INFO lines ("Created TensorFlow Lite XNNPACK delegate for CPU.") to standard error.
func quiet() { C.facesieve_quiet() }
