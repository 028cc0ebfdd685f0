#include "picturecodec.h"

#include <opencv2/core.hpp>

bool picture_create(void *mat, int width, int height) {
  try {
    static_cast<cv::Mat *>(mat)->create(height, width, CV_8UC3);
    return true;
  } catch (...) { // out of memory
    return false;
  }
}
