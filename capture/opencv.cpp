// Every function catches all exceptions, because one that reaches Go ends the whole daemon.
#include "opencv.h"

#include <cstdlib>
#include <new>

#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

// to_bgr converts a frame to 8-bit BGR. GStreamer delivers grey or BGRA if the pipeline ends in them.
static bool to_bgr(cv::Mat &frame) {
  switch (frame.type()) {
  case CV_8UC3:
    return true;
  case CV_8UC1:
    cv::cvtColor(frame, frame, cv::COLOR_GRAY2BGR);
    return true;
  case CV_8UC4:
    cv::cvtColor(frame, frame, cv::COLOR_BGRA2BGR);
    return true;
  default:
    return false;
  }
}

void *capture_open(const char *name, int api) {
  cv::VideoCapture *capture = new (std::nothrow) cv::VideoCapture();
  if (capture == nullptr) {
    return nullptr;
  }
  try {
    if (capture->open(name, api)) {
      return capture;
    }
  } catch (...) {
  }
  capture_close(capture);
  return nullptr;
}

bool capture_read(void *handle, void *mat) {
  cv::VideoCapture &capture = *static_cast<cv::VideoCapture *>(handle);
  cv::Mat &frame = *static_cast<cv::Mat *>(mat);
  try {
    return capture.grab() && capture.retrieve(frame) && !frame.empty() && to_bgr(frame);
  } catch (...) {
    return false;
  }
}

double capture_get(void *capture, int property) {
  try {
    return static_cast<cv::VideoCapture *>(capture)->get(property);
  } catch (...) {
    return 0;
  }
}

void capture_close(void *capture) {
  try {
    delete static_cast<cv::VideoCapture *>(capture);
  } catch (...) {
  }
}

bool mat_create(void *mat, int width, int height) {
  try {
    static_cast<cv::Mat *>(mat)->create(height, width, CV_8UC3);
    return true;
  } catch (...) { // out of memory
    return false;
  }
}

void log_silence(void) {
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  // The GStreamer plug-in of the package has a copy of OpenCV, which reads this when it is loaded.
  static const int set = setenv("OPENCV_LOG_LEVEL", "SILENT", 1);
  (void)set;
}
