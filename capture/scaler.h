// Conversion of a decoded frame to the image that is analysed: 8-bit BGR, square pixels, upright.
#ifndef FACESIEVE_CAPTURE_SCALER_H
#define FACESIEVE_CAPTURE_SCALER_H

#include <cstdint>
#include <memory>

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
  // size returns the size of the frame in square pixels, before its rotation. Any thread may call it.
  cv::Size size(const AVFrame &frame, AVRational sample) const;

private:
  bool scale(const AVFrame &frame, cv::Size to, uint8_t *data, int step);
  const AVFrame *planar(const AVFrame &frame);

  int64_t max_pixels_;
  AVRational aspect_; // configured aspect of the whole frame; {0, 1}: as declared by the stream
  SwsContext *context_ = nullptr;
  AVFrame *staging_ = nullptr;
  SwsContext *separate_ = nullptr; // of planar
  AVFrame *planes_ = nullptr;
};

// Picture is a decoded frame that is not converted yet. It holds a reference to its pixels, which are in memory of the
// decoder, also when the decoder has continued or is freed.
class Picture {
public:
  // The scaler may be shared, but its pictures must be converted one after the other.
  Picture(const AVFrame &frame, const Shape &shape, std::shared_ptr<Scaler> scaler)
      : frame_(av_frame_clone(&frame)), shape_(shape), scaler_(std::move(scaler)) {}
  ~Picture() { av_frame_free(&frame_); }
  Picture(const Picture &) = delete;
  Picture &operator=(const Picture &) = delete;

  // valid reports whether libswscale supports the format of the frame, and there was memory.
  bool valid() const { return frame_ != nullptr && sws_isSupportedInput(static_cast<AVPixelFormat>(frame_->format)) != 0; }
  // size returns the size after the conversion.
  cv::Size size() const;
  bool convert(cv::Mat &mat) { return scaler_->convert(*frame_, shape_, mat); } // as Scaler::convert

private:
  AVFrame *frame_;
  Shape shape_;
  std::shared_ptr<Scaler> scaler_;
};

} // namespace facesieve
#endif
