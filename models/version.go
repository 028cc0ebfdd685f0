package models

// #include <tensorflow/lite/c/c_api.h>
import "C"

// LibraryVersion is the version of the TensorFlow Lite library that runs the networks, as 2.20.0.
func LibraryVersion() string { return C.GoString(C.TfLiteVersion()) }
