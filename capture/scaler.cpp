#include "scaler.h"

#include <cmath>

namespace facesieve {

// The vector code of libswscale needs rows whose width is a multiple of this; otherwise it omits the last pixels of a
// row.
static const int kAlignment = 32;

bool plausible(AVRational sample) {
  return sample.num > 0 && sample.den > 0 && av_q2d(sample) >= 0.25 && av_q2d(sample) <= 4;
}

Scaler::~Scaler() {
  sws_freeContext(context_);
  av_frame_free(&staging_);
}

// size returns the size of the frame in square pixels. It stretches one side and reduces none. It ignores a difference
// below one percent, because that is the padding of an encoder.
cv::Size Scaler::size(const AVFrame &frame, AVRational sample) const {
  double ratio = plausible(sample) ? av_q2d(sample) : 1;
  if (aspect_.num > 0) {
    ratio = av_q2d(aspect_) * frame.height / frame.width;
  }
  cv::Size decoded(frame.width, frame.height), stretched = decoded;
  if (ratio > 1.01) {
    stretched.width = static_cast<int>(std::lround(frame.width * ratio));
  } else if (ratio < 0.99) {
    stretched.height = static_cast<int>(std::lround(frame.height / ratio));
  }
  return static_cast<int64_t>(stretched.width) * stretched.height > max_pixels_ ? decoded : stretched;
}

bool Scaler::scale(const AVFrame &frame, cv::Size to, uint8_t *data, int step) {
  AVPixelFormat format = static_cast<AVPixelFormat>(frame.format);
  context_ = sws_getCachedContext(context_, frame.width, frame.height, format, to.width, to.height, AV_PIX_FMT_BGR24,
                                  SWS_BICUBIC, nullptr, nullptr, nullptr);
  if (context_ == nullptr) {
    return false;
  }
  uint8_t *planes[4] = {data, nullptr, nullptr, nullptr};
  int steps[4] = {step, 0, 0, 0};
  return sws_scale(context_, frame.data, frame.linesize, 0, frame.height, planes, steps) > 0;
}

bool Scaler::convert(const AVFrame &frame, const Shape &shape, cv::Mat &mat) {
  cv::Size to = size(frame, shape.sample);
  if (shape.rotation == 0 && to.width % kAlignment == 0) {
    av_frame_free(&staging_);
    mat.create(to, CV_8UC3);
    return scale(frame, to, mat.data, static_cast<int>(mat.step));
  }
  if (staging_ == nullptr || staging_->width != to.width || staging_->height != to.height) {
    av_frame_free(&staging_);
    staging_ = av_frame_alloc();
    if (staging_ == nullptr) {
      return false;
    }
    staging_->format = AV_PIX_FMT_BGR24;
    staging_->width = to.width;
    staging_->height = to.height;
    if (av_frame_get_buffer(staging_, kAlignment) < 0) {
      av_frame_free(&staging_);
      return false;
    }
  }
  if (!scale(frame, to, staging_->data[0], staging_->linesize[0])) {
    return false;
  }
  cv::Mat upright(to, CV_8UC3, staging_->data[0], staging_->linesize[0]);
  switch (shape.rotation) {
  case 90:
    cv::rotate(upright, mat, cv::ROTATE_90_CLOCKWISE);
    return true;
  case 180:
    cv::rotate(upright, mat, cv::ROTATE_180);
    return true;
  case 270:
    cv::rotate(upright, mat, cv::ROTATE_90_COUNTERCLOCKWISE);
    return true;
  default:
    upright.copyTo(mat);
    return true;
  }
}

} // namespace facesieve
