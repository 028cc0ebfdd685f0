// Every function catches everything: an exception that leaves C++ for Go ends the whole daemon.
#include "opencv.h"

#include <new>

#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

// to_bgr makes 8-bit BGR of what a back end delivers; GStreamer passes on grey and BGRA when the pipeline ends in them.
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

void log_silence(void) { cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT); }
