// Functions of OpenCV that gocv does not have. No C++ exception leaves them.
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

// mat_create gives a cv::Mat this size and the type 8-bit BGR, without setting its pixels. It fails if memory is short.
bool mat_create(void *mat, int width, int height);

// log_silence turns off OpenCV's messages: they go to stderr and contain URLs with their credentials.
void log_silence(void);

#ifdef __cplusplus
}
#endif
#endif
