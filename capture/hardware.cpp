#include "hardware.h"

#include <algorithm>
#include <cstdlib>

#include "decoder.h"

extern "C" {
#include <libavutil/hwcontext.h>
#include <libavutil/pixdesc.h>
}

namespace facesieve {

// A decoder is proven when this many frames match, and refused if they do not within this many packets.
static const int kMatches = 12, kMaxTrial = 120;
// The maximum mean difference of the brightness of a frame, grey levels. It allows for the cropping of a border.
static const double kMaxDifference = 1;
// The number of frames that wait for those of the other decoder. They are in its memory.
static const size_t kMaxWaiting = 8;

static std::string text(int error) {
  char buffer[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(error, buffer, sizeof(buffer));
  return buffer;
}

// find returns the decoder of a codec that uses the device, or nullptr. format is that of frames on the device.
static const AVCodec *find(const std::string &name, AVCodecID id, AVHWDeviceType type, AVPixelFormat &format) {
  if (type == AV_HWDEVICE_TYPE_NONE) {
    const AVCodec *codec = avcodec_find_decoder_by_name((std::string(avcodec_get_name(id)) + "_" + name).c_str());
    return codec != nullptr ? codec : avcodec_find_decoder_by_name(name.c_str());
  }
  const AVCodec *codec = avcodec_find_decoder(id);
  for (int i = 0; codec != nullptr; i++) {
    const AVCodecHWConfig *config = avcodec_get_hw_config(codec, i);
    if (config == nullptr) {
      return nullptr;
    }
    if (config->device_type == type && (config->methods & AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX) != 0) {
      format = config->pix_fmt;
      return codec;
    }
  }
  return nullptr;
}

std::unique_ptr<Hardware> Hardware::open(const std::string &name, const AVCodecParameters &parameters,
                                         AVRational time_base, int64_t max_pixels, std::string &refusal) {
  std::unique_ptr<Hardware> h(new Hardware());
  h->name_ = name;
  AVHWDeviceType type = av_hwdevice_find_type_by_name(name.c_str());
  const AVCodec *codec = find(name, parameters.codec_id, type, h->format_);
  if (codec == nullptr) {
    refusal = "this FFmpeg has no such decoder for " + std::string(avcodec_get_name(parameters.codec_id));
    return nullptr;
  }
  int error = type == AV_HWDEVICE_TYPE_NONE ? 0 : av_hwdevice_ctx_create(&h->device_, type, nullptr, nullptr, 0);
  if (error < 0) {
    refusal = "the device cannot be opened (" + text(error) + ")";
    return nullptr;
  }
  h->context_ = avcodec_alloc_context3(codec);
  h->received_ = av_frame_alloc();
  error = h->context_ == nullptr || h->received_ == nullptr ? AVERROR(ENOMEM)
                                                            : avcodec_parameters_to_context(h->context_, &parameters);
  if (error >= 0) {
    h->context_->codec_id = codec->id;
    h->context_->thread_count = 1;
    h->context_->pkt_timebase = time_base;
    h->context_->max_pixels = max_pixels;
    h->context_->opaque = h.get();
    if (h->device_ != nullptr) {
      h->context_->hw_device_ctx = av_buffer_ref(h->device_);
      h->context_->get_format = choose;
    }
    error = avcodec_open2(h->context_, codec, nullptr);
  }
  if (error < 0) {
    refusal = "the decoder cannot be opened (" + text(error) + ")";
    return nullptr;
  }
  return h;
}

Hardware::~Hardware() {
  avcodec_free_context(&context_);
  av_buffer_unref(&device_);
  av_frame_free(&received_);
}

// choose returns the format of frames on the device. Without it the decoder would continue in software.
AVPixelFormat Hardware::choose(AVCodecContext *context, const AVPixelFormat *offered) {
  AVPixelFormat wanted = static_cast<Hardware *>(context->opaque)->format_;
  for (; *offered != AV_PIX_FMT_NONE; offered++) {
    if (*offered == wanted) {
      return wanted;
    }
  }
  return AV_PIX_FMT_NONE;
}

int Hardware::send(const AVPacket *packet) {
  auto began = thread_time();
  int result = avcodec_send_packet(context_, packet);
  spent_ += thread_time() - began;
  return result;
}

int Hardware::receive(AVFrame *frame) {
  auto began = thread_time();
  int result = avcodec_receive_frame(context_, received_);
  if (result >= 0) {
    result = download(frame);
  }
  spent_ += thread_time() - began;
  return result;
}

// download moves the frame that was received to memory.
int Hardware::download(AVFrame *frame) {
  av_frame_unref(frame);
  if (format_ == AV_PIX_FMT_NONE || received_->format != format_) {
    av_frame_move_ref(frame, received_);
    return 0;
  }
  int result = av_hwframe_transfer_data(frame, received_, 0);
  if (result >= 0) {
    result = av_frame_copy_props(frame, received_);
    frame->best_effort_timestamp = received_->best_effort_timestamp;
  }
  av_frame_unref(received_);
  return result;
}

Trial::~Trial() {
  while (!expected_.empty()) {
    drop(expected_);
  }
  while (!decoded_.empty()) {
    drop(decoded_);
  }
}

void Trial::send(const AVPacket *packet) {
  packets_++;
  hardware_->send(packet); // a decoder that does not accept packets returns no frames, and is refused
}

Trial::Result Trial::refuse(const std::string &reason) {
  refusal_ = reason;
  return Result::refused;
}

// difference returns the mean difference of the brightness of two frames, grey levels. Both have 8 bits.
static double difference(const AVFrame &a, const AVFrame &b) {
  int64_t sum = 0;
  for (int y = 0; y < a.height; y++) {
    const uint8_t *left = a.data[0] + static_cast<ptrdiff_t>(y) * a.linesize[0];
    const uint8_t *right = b.data[0] + static_cast<ptrdiff_t>(y) * b.linesize[0];
    for (int x = 0; x < a.width; x++) {
      sum += std::abs(left[x] - right[x]);
    }
  }
  return static_cast<double>(sum) / a.width / a.height;
}

// planar reports whether the first plane of a frame is its brightness, 8 bits a pixel.
static bool planar(const AVFrame &frame) {
  const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  return format != nullptr && (format->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_HWACCEL)) == 0 &&
         format->comp[0].plane == 0 && format->comp[0].step == 1 && format->comp[0].depth == 8;
}

// keep adds a frame, and drops the oldest if there are too many.
void Trial::keep(Frames &frames, AVFrame *frame) {
  frames.push_back(frame);
  if (frames.size() > kMaxWaiting) {
    drop(frames);
  }
}

void Trial::drop(Frames &frames) {
  av_frame_free(&frames.front());
  frames.pop_front();
}

// match compares the frames that both have decoded. It returns false if they are different.
bool Trial::match() {
  while (!expected_.empty() && !decoded_.empty()) {
    const AVFrame &expected = *expected_.front(), &decoded = *decoded_.front();
    if (expected.best_effort_timestamp < decoded.best_effort_timestamp) {
      drop(expected_);
      continue;
    }
    if (expected.best_effort_timestamp > decoded.best_effort_timestamp) {
      drop(decoded_);
      continue;
    }
    if (!planar(expected) || !planar(decoded) || expected.width != decoded.width ||
        expected.height != decoded.height || difference(expected, decoded) > kMaxDifference) {
      return false;
    }
    matched_++;
    drop(expected_);
    drop(decoded_);
  }
  return true;
}

Trial::Result Trial::compare(const AVFrame &frame, std::chrono::nanoseconds software) {
  AVFrame *expected = av_frame_clone(&frame);
  if (expected != nullptr) {
    keep(expected_, expected);
  }
  for (AVFrame *decoded = av_frame_alloc(); decoded != nullptr; decoded = av_frame_alloc()) {
    if (hardware_->receive(decoded) < 0) {
      av_frame_free(&decoded);
      break;
    }
    keep(decoded_, decoded);
  }
  if (!match()) {
    return refuse("its pictures are not those of software");
  }
  if (matched_ < kMatches) {
    return packets_ > kMaxTrial ? refuse("it delivered no pictures") : Result::open;
  }
  std::chrono::duration<double> own = hardware_->spent(), other = software;
  return own > other * max_cost_ ? refuse("it takes as much CPU time as software") : Result::proven;
}

} // namespace facesieve
