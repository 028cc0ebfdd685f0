#include "decoder.h"

#include <algorithm>
#include <ctime>

extern "C" {
#include <libavutil/cpu.h>
}

namespace facesieve {

// A decoder with one thread measures its load over this many packets.
static const int kMeasuredPackets = 50;
// A hardware decoder that returns no frame for more packets than this has failed.
static const int kMaxFailures = 100;

// The load is CPU time: while other programs have the CPU, more threads would not help.
std::chrono::nanoseconds thread_time() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

Decoder::Decoder(const DecoderOptions &options)
    : options_(options), frame_(av_frame_alloc()), candidates_(options.hardware) {}

Decoder::~Decoder() {
  avcodec_free_context(&context_);
  avcodec_parameters_free(&parameters_);
  av_frame_free(&frame_);
}

int Decoder::open(const AVCodecParameters *parameters, AVRational time_base) {
  if (frame_ == nullptr) {
    return AVERROR(ENOMEM);
  }
  parameters_ = avcodec_parameters_alloc();
  if (parameters_ == nullptr) {
    return AVERROR(ENOMEM);
  }
  int result = avcodec_parameters_copy(parameters_, parameters);
  if (result < 0) {
    return result;
  }
  time_base_ = time_base;
  references_.configure(*parameters_);
  check_size(static_cast<int64_t>(parameters_->width) * parameters_->height);
  if (rejected_pixels_ > 0) {
    return AVERROR(EINVAL);
  }
  int started = start(options_.one_thread ? 1 : std::max(1, av_cpu_count()));
  if (started >= 0) {
    try_next();
  }
  return started;
}

int Decoder::start(int threads) {
  const AVCodec *codec = avcodec_find_decoder(parameters_->codec_id);
  if (codec == nullptr) {
    return AVERROR_DECODER_NOT_FOUND;
  }
  avcodec_free_context(&context_);
  context_ = avcodec_alloc_context3(codec);
  if (context_ == nullptr) {
    return AVERROR(ENOMEM);
  }
  int result = avcodec_parameters_to_context(context_, parameters_);
  if (result >= 0) {
    context_->thread_count = threads;
    context_->pkt_timebase = time_base_;
    context_->max_pixels = options_.max_pixels;
    result = avcodec_open2(context_, codec, nullptr);
  }
  if (result < 0) {
    avcodec_free_context(&context_);
  }
  return result;
}

int Decoder::send(const AVPacket *packet, int64_t start, const Wanted &wanted, Sent &sent) {
  sent = Sent::decoder;
  bool key = packet != nullptr && (packet->flags & AV_PKT_FLAG_KEY) != 0;
  if (key) {
    // The decoder rejects frames that are too large as well, but does not report why.
    check_size(declared_pixels(parameters_->codec_id, parameters_, packet->data, packet->size));
    if (rejected_pixels_ > 0) {
      return AVERROR(EINVAL);
    }
  }
  if (packet != nullptr) {
    sent = select(*packet, key, start, wanted);
  }
  if (sent != Sent::decoder || resuming_) { // receive sends the backlog, which ends with this packet
    return 0;
  }
  if (overloaded_ && key && !idle_ && trial_ == nullptr && hardware_ == nullptr) {
    restart(*packet);
    return 0;
  }
  auto began = thread_time();
  int result = idle_ && key ? decode_alone(*packet) : send_now(packet);
  measure_load(thread_time() - began);
  return result;
}

// restart continues with several threads from a key frame on, once the decoder has returned the frames that it holds.
void Decoder::restart(const AVPacket &key) {
  overloaded_ = false, threaded_ = true;
  backlog_.begin(key);
  resuming_ = restarting_ = draining_ = true;
  send_now(nullptr);
}

// drained prepares the decoder for the next packet after it has returned all frames that it held.
int Decoder::drained() {
  draining_ = false;
  if (!restarting_) {
    reset();
    return AVERROR(EAGAIN);
  }
  restarting_ = false;
  int started = start(av_cpu_count());
  if (started < 0) { // the system may limit the number of threads
    started = start(1);
  }
  return started < 0 ? started : AVERROR(EAGAIN);
}

// select determines whether a packet is sent to the decoder. Without other frames than key frames, decoding resumes at
// the last of them: at once if the backlog is complete, otherwise at the next one.
Sent Decoder::select(const AVPacket &packet, bool key, int64_t start, const Wanted &wanted) {
  if (packet.pts == AV_NOPTS_VALUE) {
    return idle_ && !key ? Sent::idle : Sent::decoder;
  }
  if (key) {
    const AVCodecDescriptor *codec = avcodec_descriptor_get(parameters_->codec_id);
    resumed_ = idle_ ? packet.pts - 1 : INT64_MIN; // frames before it may refer to others that were not decoded
    idle_ = wanted.key_frames && codec != nullptr && (codec->props & AV_CODEC_PROP_INTRA_ONLY) == 0;
    backlog_.clear();
  } else if (idle_) {
    backlog_.add(packet);
    if (wanted.key_frames || backlog_.empty()) {
      return Sent::idle;
    }
    idle_ = false, resuming_ = true;
    return Sent::decoder;
  }
  int64_t stamp = av_rescale_q_rnd(packet.pts - start, time_base_, {1, 1000000000}, AV_ROUND_ZERO);
  bool needed = sampler_.needed(stamp, wanted.period, key || !references_.none(packet));
  return needed ? Sent::decoder : Sent::over_rate;
}

// decode_alone decodes a key frame, and drains the decoder, which otherwise returns a frame only after later ones.
int Decoder::decode_alone(const AVPacket &key) {
  backlog_.begin(key);
  resumed_ = key.pts;
  reset();
  int result = send_now(&key);
  if (result >= 0) {
    draining_ = send_now(nullptr) >= 0;
  }
  return result;
}

// send_backlog sends the oldest packet of the backlog, and reports whether there was one.
bool Decoder::send_backlog() {
  AVPacket *packet = backlog_.take();
  resuming_ = packet != nullptr;
  if (packet != nullptr) {
    send_now(packet); // a damaged one is skipped, as in send
    av_packet_free(&packet);
  }
  return resuming_;
}

int Decoder::receive() {
  auto began = thread_time();
  int result = 0;
  int64_t resumed = 0;
  do {
    resumed = resumed_; // the frame that proves the hardware changes it
    result = receive_now();
    if (result == AVERROR_EOF && draining_) {
      result = drained();
    }
  } while (result == AVERROR(EAGAIN) ? resuming_ && send_backlog() : result >= 0 && repeated(resumed));
  busy_ += thread_time() - began;
  if (result < 0) {
    return result;
  }
  if (width_ == 0) {
    width_ = frame_->width, height_ = frame_->height;
  }
  return result;
}

// try_next starts the trial of the next candidate, if there is one.
void Decoder::try_next() {
  while (trial_ == nullptr && !candidates_.empty()) {
    size_t end = std::min(candidates_.find(','), candidates_.size());
    std::string name = candidates_.substr(0, end), refusal;
    candidates_.erase(0, end + 1);
    auto hardware = Hardware::open(name, *parameters_, time_base_, options_.max_pixels, refusal);
    if (hardware == nullptr) {
      refuse(name, refusal);
      continue;
    }
    trial_.reset(new Trial(std::move(hardware), options_.max_cost));
    compared_ = {};
  }
}

void Decoder::refuse(const std::string &name, const std::string &reason) {
  refusals_ += (refusals_.empty() ? "" : "; ") + name + ": " + reason;
  changes_++;
}

// judge compares the newest frame of software with that of the hardware, and continues with the hardware if it is proven.
void Decoder::judge() {
  Trial::Result result = trial_->compare(*frame_, compared_);
  if (result == Trial::Result::open) {
    return;
  }
  std::unique_ptr<Trial> ended = std::move(trial_);
  std::unique_ptr<Hardware> hardware = ended->take();
  if (result == Trial::Result::proven) {
    resumed_ = frame_->best_effort_timestamp; // the hardware may return it, and those before, once more
    hardware_ = std::move(hardware);
    avcodec_free_context(&context_);
    changes_++;
    return;
  }
  refuse(hardware->name(), ended->refusal());
  try_next();
}

// lose_hardware continues in software, from the next key frame.
int Decoder::lose_hardware() {
  refuse(hardware_->name(), "it failed after it was proven");
  hardware_.reset();
  failures_ = 0;
  idle_ = true, resuming_ = draining_ = false;
  backlog_.clear();
  return start(1);
}

int Decoder::send_now(const AVPacket *packet) {
  if (hardware_ == nullptr) {
    if (context_ == nullptr) { // there was no memory to start it again
      return AVERROR(ENOMEM);
    }
    auto began = thread_time();
    int result = avcodec_send_packet(context_, packet);
    compared_ += thread_time() - began;
    if (trial_ != nullptr) {
      trial_->send(packet);
    }
    return result;
  }
  int result = hardware_->send(packet);
  if (++failures_ > kMaxFailures) {
    int started = lose_hardware();
    return started < 0 ? started : result;
  }
  return result;
}

int Decoder::receive_now() {
  if (hardware_ != nullptr) {
    int result = hardware_->receive(frame_);
    failures_ = result >= 0 ? 0 : failures_;
    return result;
  }
  if (context_ == nullptr) { // as in send_now
    return AVERROR(ENOMEM);
  }
  auto began = thread_time();
  int result = avcodec_receive_frame(context_, frame_);
  compared_ += thread_time() - began;
  if (result >= 0 && trial_ != nullptr) {
    judge();
  }
  return result;
}

// reset prepares the decoder for a key frame.
void Decoder::reset() {
  if (hardware_ != nullptr) {
    hardware_->flush();
    return;
  }
  avcodec_flush_buffers(context_);
  if (trial_ != nullptr) {
    trial_->flush();
  }
}

// repeated reports whether the newest frame is from before decoding resumed at a stamp: it was returned before, or refers
// to frames that were not decoded.
bool Decoder::repeated(int64_t resumed) const {
  return !idle_ && frame_->best_effort_timestamp != AV_NOPTS_VALUE && frame_->best_effort_timestamp <= resumed;
}

// measure_load counts a packet and determines whether one thread is fast enough for the stream.
void Decoder::measure_load(std::chrono::nanoseconds spent) {
  busy_ += spent;
  if (!options_.one_thread || threaded_ || hardware_ != nullptr || packets_++ < kMeasuredPackets) {
    return;
  }
  auto now = std::chrono::steady_clock::now();
  if (since_.time_since_epoch().count() != 0) {
    std::chrono::duration<double> busy = busy_, passed = now - since_;
    overloaded_ = overloaded_ || (busy > passed * options_.max_load && passed.count() < 5);
  }
  since_ = now, busy_ = {}, packets_ = 0;
}

void Decoder::check_size(int64_t pixels) {
  if (pixels > options_.max_pixels) {
    rejected_pixels_ = pixels;
  }
}

// jpeg_pixels reads the size from the start-of-frame segment (ITU-T T.81, B.2.2).
static int64_t jpeg_pixels(const uint8_t *data, int size) {
  int at = 2;
  while (at + 9 <= size && data[at] == 0xff) {
    int marker = data[at + 1];
    if (marker == 0xff) { // fill byte
      at++;
      continue;
    }
    bool frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (frame) {
      int64_t height = data[at + 5] << 8 | data[at + 6], width = data[at + 7] << 8 | data[at + 8];
      return width * height;
    }
    at += 2 + (data[at + 2] << 8 | data[at + 3]);
  }
  return 0;
}

int64_t declared_pixels(AVCodecID codec, const AVCodecParameters *parameters, const uint8_t *data, int size) {
  if (codec == AV_CODEC_ID_MJPEG) {
    return jpeg_pixels(data, size);
  }
  AVCodecParserContext *parser = av_parser_init(codec);
  AVCodecContext *context = avcodec_alloc_context3(nullptr);
  int64_t pixels = 0;
  if (parser != nullptr && context != nullptr) {
    if (parameters != nullptr) {
      avcodec_parameters_to_context(context, parameters);
    }
    parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
    uint8_t *out = nullptr;
    int out_size = 0;
    av_parser_parse2(parser, context, &out, &out_size, data, size, AV_NOPTS_VALUE, AV_NOPTS_VALUE, 0);
    pixels = static_cast<int64_t>(std::max(parser->width, context->width)) * std::max(parser->height, context->height);
  }
  if (parser != nullptr) {
    av_parser_close(parser);
  }
  avcodec_free_context(&context);
  return pixels;
}

} // namespace facesieve
