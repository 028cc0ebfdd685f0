// A hardware decoder, and its trial beside the decoder in software.
#ifndef FACESIEVE_CAPTURE_HARDWARE_H
#define FACESIEVE_CAPTURE_HARDWARE_H

#include <chrono>
#include <deque>
#include <memory>
#include <string>

extern "C" {
#include <libavcodec/avcodec.h>
}

namespace facesieve {

// Hardware is a decoder of FFmpeg that uses a device.
class Hardware {
public:
  // open opens a decoder by the name of a type of device (vaapi), or by the last part of its own name (v4l2m2m of
  // h264_v4l2m2m). It returns nullptr, and why in refusal, if there is none for the codec.
  static std::unique_ptr<Hardware> open(const std::string &name, const AVCodecParameters &parameters,
                                        AVRational time_base, int64_t max_pixels, std::string &refusal);
  ~Hardware();
  Hardware(const Hardware &) = delete;
  Hardware &operator=(const Hardware &) = delete;

  const std::string &name() const { return name_; }
  int send(const AVPacket *packet);
  // receive returns as avcodec_receive_frame does. The frame is in memory, not on the device.
  int receive(AVFrame *frame);
  void flush() { avcodec_flush_buffers(context_); }
  // spent returns the CPU time of all calls.
  std::chrono::nanoseconds spent() const { return spent_; }

private:
  Hardware() = default;
  int download(AVFrame *frame);
  static AVPixelFormat choose(AVCodecContext *context, const AVPixelFormat *offered);

  std::string name_;
  AVCodecContext *context_ = nullptr;
  AVBufferRef *device_ = nullptr;
  AVFrame *received_ = nullptr;
  AVPixelFormat format_ = AV_PIX_FMT_NONE; // of frames on the device; none: it delivers them in memory
  std::chrono::nanoseconds spent_{};
};

// Trial compares the frames of a hardware decoder with those of software, which are exact by the standards of the codecs.
class Trial {
public:
  enum class Result { open, proven, refused };

  // max_cost is the maximum CPU time of the hardware decoder, as a share of that of software.
  Trial(std::unique_ptr<Hardware> hardware, double max_cost) : hardware_(std::move(hardware)), max_cost_(max_cost) {}
  ~Trial();

  const std::string &name() const { return hardware_->name(); }
  void flush() { hardware_->flush(); }
  // send passes the packet that the decoder in software gets as well.
  void send(const AVPacket *packet);
  // compare adds a frame of software, and the CPU time that software has spent since the trial began.
  Result compare(const AVFrame &frame, std::chrono::nanoseconds software);
  const std::string &refusal() const { return refusal_; }
  std::unique_ptr<Hardware> take() { return std::move(hardware_); }

private:
  using Frames = std::deque<AVFrame *>; // the oldest first

  Result refuse(const std::string &reason);
  bool match();
  static void keep(Frames &frames, AVFrame *frame);
  static void drop(Frames &frames);

  std::unique_ptr<Hardware> hardware_;
  double max_cost_;
  Frames expected_, decoded_; // of software and of the hardware, that have no match yet
  int packets_ = 0, matched_ = 0;
  std::string refusal_;
};

} // namespace facesieve
#endif
