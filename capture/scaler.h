// Conversion of a decoded frame to the image that is analysed: 8-bit BGR, square pixels, upright.
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

// Shape is the pixel shape and rotation of the frames of a stream.
struct Shape {
  AVRational sample; // declared width to height of a pixel; {0, 1}: unknown
  int rotation;      // degrees clockwise: 0, 90, 180 or 270
};

// plausible reports whether a declared pixel shape is used. Encoders declare values beyond 4:1 by mistake.
bool plausible(AVRational sample);

// Scaler reuses the context of libswscale for the frames of a stream.
class Scaler {
public:
  Scaler(int64_t max_pixels, AVRational aspect) : max_pixels_(max_pixels), aspect_(aspect) {}
  ~Scaler();
  Scaler(const Scaler &) = delete;
  Scaler &operator=(const Scaler &) = delete;

  // convert fills mat. It returns false if libswscale does not support the format of the frame, or memory is short.
  bool convert(const AVFrame &frame, const Shape &shape, cv::Mat &mat);

private:
  cv::Size size(const AVFrame &frame, AVRational sample) const;
  bool scale(const AVFrame &frame, cv::Size to, uint8_t *data, int step);
  const AVFrame *planar(const AVFrame &frame);

  int64_t max_pixels_;
  AVRational aspect_; // configured aspect of the whole frame; {0, 1}: as declared by the stream
  SwsContext *context_ = nullptr;
  AVFrame *staging_ = nullptr;
  SwsContext *separate_ = nullptr; // of planar
  AVFrame *planes_ = nullptr;
};

} // namespace facesieve
#endif
