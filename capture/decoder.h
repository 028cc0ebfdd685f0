// A decoder of one video stream, on libavcodec.
#ifndef FACESIEVE_CAPTURE_DECODER_H
#define FACESIEVE_CAPTURE_DECODER_H

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "hardware.h"
#include "packets.h"

extern "C" {
#include <libavcodec/avcodec.h>
}

namespace facesieve {

// Options of a decoder.
struct DecoderOptions {
  int64_t max_pixels; // of a frame; larger frames are rejected before memory is allocated
  bool one_thread;    // several only if one is too slow for the rate at which packets are sent
  std::string hardware; // names for Hardware::open, separated by commas, the preferred one first; empty: software alone
  double max_cost;      // see Trial
  double max_load;      // of one thread: its CPU time as a share of the time; above it several threads decode
};

// Wanted states which frames are needed.
struct Wanted {
  int64_t period;  // ns: one frame in each such time is enough; 0: all
  bool key_frames; // key frames are enough
};

// Sent is what became of a packet.
enum class Sent {
  decoder,   // it was sent to the decoder
  over_rate, // its frame is one too many in its period
  idle,      // its frame is not a key frame
};

// Decoder owns its context and the newest frame. FFmpeg's frame threads delay the output by one frame per thread, which
// is several seconds at one frame a second, and each holds frames of its own, 4 MiB at 1080p. So a live stream, and a
// recording at its own rate, is decoded by one thread as long as that is fast enough.
class Decoder {
public:
  explicit Decoder(const DecoderOptions &options);
  ~Decoder();
  Decoder(const Decoder &) = delete;
  Decoder &operator=(const Decoder &) = delete;

  // open returns 0, AVERROR_DECODER_NOT_FOUND, or another error of FFmpeg.
  int open(const AVCodecParameters *parameters, AVRational time_base);
  bool opened() const { return context_ != nullptr || hardware_ != nullptr; }

  // send decodes a packet if its frame is needed, or nullptr at the end of the stream. start is the stamp of the beginning.
  // For a damaged packet it returns an error of FFmpeg.
  int send(const AVPacket *packet, int64_t start, const Wanted &wanted, Sent &sent);
  // receive returns 0 when frame() is a new one, AVERROR(EAGAIN) when a packet is needed, AVERROR_EOF after the last.
  int receive();
  const AVFrame &frame() const { return *frame_; }
  // resized reports whether the newest frame has another size than the first.
  bool resized() const { return frame_->width != width_ || frame_->height != height_; }
  // used returns the name of the hardware decoder in use, or nothing, and refusals why others are not.
  std::string used() const { return hardware_ != nullptr ? hardware_->name() : ""; }
  const std::string &refusals() const { return refusals_; }
  // tried returns the name of the hardware decoder that is on trial, or nothing.
  std::string tried() const { return trial_ != nullptr ? trial_->name() : ""; }
  // changes returns how often the results of used and refusals have changed.
  int changes() const { return changes_; }
  // rejected_pixels returns the number of pixels of the last frame that was too large, or 0.
  int64_t rejected_pixels() const { return rejected_pixels_; }

private:
  int start(int threads);
  Sent select(const AVPacket &packet, bool key, int64_t start, const Wanted &wanted);
  int decode_alone(const AVPacket &key);
  void restart(const AVPacket &key);
  int drained();
  bool send_backlog();
  bool repeated(int64_t resumed) const;
  int send_now(const AVPacket *packet);
  int receive_now();
  void reset();
  void try_next();
  void judge();
  void refuse(const std::string &name, const std::string &reason);
  int lose_hardware();
  void measure_load(std::chrono::nanoseconds spent);
  void check_size(int64_t pixels);

  DecoderOptions options_;
  AVCodecContext *context_ = nullptr;
  AVCodecParameters *parameters_ = nullptr;
  AVRational time_base_{0, 1};
  AVFrame *frame_ = nullptr;
  int width_ = 0, height_ = 0; // of the first frame
  int64_t rejected_pixels_ = 0;

  std::unique_ptr<Trial> trial_;       // of a hardware decoder, beside context_
  std::unique_ptr<Hardware> hardware_; // proven; context_ is then not used
  std::string candidates_, refusals_;
  std::chrono::nanoseconds compared_{}; // CPU time of context_ during the trial
  int failures_ = 0;                    // packets without a frame of the hardware, in a row
  int changes_ = 0;

  References references_;
  Sampler sampler_;
  bool idle_ = false;             // key frames alone are decoded
  bool draining_ = false;         // the decoder returns what it holds, and must then be reset
  bool restarting_ = false;       // or be started again instead
  bool resuming_ = false;         // the backlog is sent before any other packet
  Backlog backlog_;               // while idle_ or resuming_
  int64_t resumed_ = INT64_MIN;   // frames up to this stamp are from before decoding resumed

  // The load of the thread over the last packets: busy_ is its CPU time for decoding since since_.
  std::chrono::steady_clock::time_point since_{};
  std::chrono::nanoseconds busy_{};
  int packets_ = 0;
  bool overloaded_ = false, threaded_ = false;
};

// thread_time returns the CPU time of the calling thread. Unlike the time that passes it does not grow while other
// programs have the CPU.
std::chrono::nanoseconds thread_time();

// declared_pixels returns the number of pixels that the header of a packet declares, 0 if it has no such header.
int64_t declared_pixels(AVCodecID codec, const AVCodecParameters *parameters, const uint8_t *data, int size);

} // namespace facesieve
#endif
