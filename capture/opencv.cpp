// Every function catches everything: an exception that leaves C++ for Go ends the whole daemon.
#include "opencv.h"

#include "decoder.h"

#include <new>
#include <vector>

#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

namespace {
struct Capture {
  cv::VideoCapture video;
  facesieve::Form form;
};
} // namespace

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

void *capture_open(const char *name, int api, int open_timeout, int read_timeout) {
  Capture *capture = new (std::nothrow) Capture();
  if (capture == nullptr) {
    return nullptr;
  }
  try {
    std::vector<int> parameters;
    if (open_timeout > 0) {
      parameters.insert(parameters.end(), {cv::CAP_PROP_OPEN_TIMEOUT_MSEC, open_timeout});
    }
    if (read_timeout > 0) {
      parameters.insert(parameters.end(), {cv::CAP_PROP_READ_TIMEOUT_MSEC, read_timeout});
    }
    if (capture->video.open(name, api, parameters)) {
      return capture;
    }
  } catch (...) {
  }
  capture_close(capture);
  return nullptr;
}

capture_result capture_read(void *handle, void *mat) {
  Capture &capture = *static_cast<Capture *>(handle);
  cv::Mat &frame = *static_cast<cv::Mat *>(mat);
  try {
    bool grabbed;
    {
      facesieve::Watch watch(capture.form);
      grabbed = capture.video.grab();
    }
    if (capture.form.changed()) { // before retrieve, which would read the new picture with the old size
      return CAPTURE_RESIZED;
    }
    bool good = grabbed && capture.video.retrieve(frame) && !frame.empty() && to_bgr(frame);
    return good ? CAPTURE_FRAME : CAPTURE_NONE;
  } catch (...) {
    return CAPTURE_NONE;
  }
}

double capture_get(void *capture, int property) {
  try {
    return static_cast<Capture *>(capture)->video.get(property);
  } catch (...) {
    return 0;
  }
}

void capture_close(void *capture) {
  try {
    delete static_cast<Capture *>(capture);
  } catch (...) {
  }
}

bool picture_read(const char *path, void *mat) {
  cv::Mat &frame = *static_cast<cv::Mat *>(mat);
  try {
    frame = cv::imread(path, cv::IMREAD_COLOR);
    return !frame.empty();
  } catch (...) {
    return false;
  }
}

void log_silence(void) { cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT); }
