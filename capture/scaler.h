// From a decoded frame to the picture that is analysed: 8-bit BGR, pixels square, upright.
#ifndef FACESIEVE_CAPTURE_SCALER_H
#define FACESIEVE_CAPTURE_SCALER_H

#include <cstdint>

#include <opencv2/core.hpp>

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/rational.h>
#include <libswscale/swscale.h>
}

namespace facesieve {

// Shape says how the frames of a stream are to be seen.
struct Shape {
  AVRational sample; // width to height of one pixel, as the stream declares it; {0, 1}: unknown
  int turn;          // degrees clockwise: 0, 90, 180 or 270
};

// sane reports whether pixels may have this form. Values beyond 4:1 are faults of an encoder.
bool sane(AVRational sample);

// Scaler keeps what libswscale needs from frame to frame.
class Scaler {
public:
  Scaler(int64_t max_pixels, AVRational aspect) : max_pixels_(max_pixels), aspect_(aspect) {}
  ~Scaler();
  Scaler(const Scaler &) = delete;
  Scaler &operator=(const Scaler &) = delete;

  // convert fills mat. Returns false when libswscale refuses the frame's format, or memory is short.
  bool convert(const AVFrame &frame, const Shape &shape, cv::Mat &mat);

private:
  cv::Size size(const AVFrame &frame, AVRational sample) const;
  bool scale(const AVFrame &frame, cv::Size to, uint8_t *data, int step);

  int64_t max_pixels_;
  AVRational aspect_; // of the whole picture, by configuration; {0, 1}: as the stream declares
  SwsContext *context_ = nullptr;
  AVFrame *staging_ = nullptr;
};

} // namespace facesieve
#endif
