// Functions of OpenCV that gocv does not have. No C++ exception leaves them, and they turn off messages.
#ifndef FACESIEVE_CAPTURE_OPENCV_H
#define FACESIEVE_CAPTURE_OPENCV_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

// capture_open returns an opened V4L2 or GStreamer capture, or NULL.
void *capture_open(const char *name, int api);
// capture_read fills a cv::Mat with the next frame, 8-bit BGR, and reports whether there was one.
bool capture_read(void *capture, void *mat);
double capture_get(void *capture, int property);
void capture_close(void *capture);

// log_silence stops OpenCV's own messages: they go to stderr and quote URLs with their credentials.
void log_silence(void);

#ifdef __cplusplus
}
#endif
#endif
