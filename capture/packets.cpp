#include "packets.h"

#include <algorithm>

namespace facesieve {

// The limits of a backlog: the time that a pipeline takes to report motion, many times over.
static const size_t kMaxPackets = 64;
static const int64_t kMaxBacklog = 4 << 20;

namespace {
// NALUnits iterates over the NAL units of a packet.
class NALUnits {
public:
  NALUnits(const AVPacket &packet, int length_size)
      : at_(packet.data), end_(packet.data + packet.size), length_size_(length_size) {}

  // next returns a unit with at least the given number of bytes, or nullptr.
  const uint8_t *next(int bytes) {
    const uint8_t *unit = length_size_ > 0 ? next_by_length() : next_by_start_code();
    return unit != nullptr && end_ - unit >= bytes ? unit : nullptr;
  }

private:
  const uint8_t *next_by_length() {
    if (end_ - at_ < length_size_) {
      return nullptr;
    }
    uint32_t length = 0;
    for (int i = 0; i < length_size_; i++) {
      length = length << 8 | *at_++;
    }
    const uint8_t *unit = at_;
    at_ += std::min<ptrdiff_t>(length, end_ - at_);
    return unit;
  }

  const uint8_t *next_by_start_code() {
    static const uint8_t code[] = {0, 0, 1};
    const uint8_t *found = std::search(at_, end_, code, code + sizeof(code));
    at_ = std::min(found + sizeof(code), end_);
    return found == end_ ? nullptr : at_;
  }

  const uint8_t *at_, *end_;
  int length_size_;
};

// h264_none reads nal_ref_idc, which is 0 for all slices of a picture or for none (ITU-T H.264, 7.4.1). A packet with
// parameter sets is decoded.
bool h264_none(NALUnits units) {
  while (const uint8_t *unit = units.next(1)) {
    int type = unit[0] & 0x1f;
    switch (type) {
    case 6: // supplemental enhancement information
    case 9: // access unit delimiter
    case 12: // filler data
    case 14: // prefix of a slice
      continue;
    default:
      return type == 1 && (unit[0] & 0x60) == 0;
    }
  }
  return false;
}

// h265_none reads nal_unit_type: even numbers below 16 are pictures that no other of the same temporal sub-layer refers to
// (ITU-T H.265, table 7-1). Pictures of higher sub-layers may, so the picture must be of the highest one.
bool h265_none(NALUnits units, int &layers) {
  bool sets = false;
  while (const uint8_t *unit = units.next(4)) {
    int type = unit[0] >> 1 & 0x3f, layer = unit[1] & 7; // the layer from 1
    switch (type) {
    case 33: // sequence parameter set: sps_max_sub_layers_minus1
      layers = (unit[2] >> 1 & 7) + 1;
      sets = true;
      continue;
    case 32: // video parameter set
    case 34: // picture parameter set
      sets = true;
      continue;
    case 35: // access unit delimiter
    case 38: // filler data
    case 39: // supplemental enhancement information
      continue;
    default:
      layers = std::max(layers, layers > 0 ? layer : 0);
      return !sets && type < 16 && type % 2 == 0 && layers > 0 && layer == layers;
    }
  }
  return false;
}
} // namespace

void References::configure(const AVCodecParameters &parameters) {
  codec_ = parameters.codec_id;
  length_size_ = layers_ = 0;
  const uint8_t *record = parameters.extradata; // avcC or hvcC (ISO/IEC 14496-15), or parameter sets with start codes
  if (record == nullptr || parameters.extradata_size < 7 || record[0] != 1) {
    return;
  }
  if (codec_ == AV_CODEC_ID_H264) {
    length_size_ = (record[4] & 3) + 1;
  } else if (codec_ == AV_CODEC_ID_HEVC && parameters.extradata_size >= 23) {
    length_size_ = (record[21] & 3) + 1;
    layers_ = record[21] >> 3 & 7;
  }
}

bool References::none(const AVPacket &packet) {
  NALUnits units(packet, length_size_);
  switch (codec_) {
  case AV_CODEC_ID_H264:
    return h264_none(units);
  case AV_CODEC_ID_HEVC:
    return h265_none(units, layers_);
  default:
    return (packet.flags & AV_PKT_FLAG_DISPOSABLE) != 0;
  }
}

bool Sampler::needed(int64_t stamp, int64_t period, bool referenced) {
  if (period != period_) {
    periods_.fill({INT64_MIN, 0});
    period_ = period;
  }
  if (period <= 0) {
    return true;
  }
  // A tenth of the period is the tolerance for stamps that jitter.
  int64_t shifted = stamp + period / 10, number = shifted / period - (shifted % period < 0);
  Period &known = periods_[static_cast<uint64_t>(number) % periods_.size()];
  bool first = known.number != number || stamp < known.first;
  if (first) {
    known = {number, stamp};
  }
  return first || referenced;
}

void Backlog::begin(const AVPacket &key) {
  clear();
  AVPacket *copy = av_packet_clone(&key);
  if (copy != nullptr) {
    packets_.push_back(copy);
    bytes_ = copy->size;
  }
}

void Backlog::add(const AVPacket &packet) {
  if (packets_.empty()) {
    return;
  }
  AVPacket *copy = packets_.size() < kMaxPackets ? av_packet_clone(&packet) : nullptr;
  if (copy == nullptr || bytes_ + copy->size > kMaxBacklog) {
    av_packet_free(&copy);
    clear();
    return;
  }
  packets_.push_back(copy);
  bytes_ += copy->size;
}

AVPacket *Backlog::take() {
  if (packets_.empty()) {
    return nullptr;
  }
  AVPacket *oldest = packets_.front();
  packets_.pop_front();
  return oldest;
}

void Backlog::clear() {
  for (AVPacket *packet : packets_) {
    av_packet_free(&packet);
  }
  packets_.clear();
  bytes_ = 0;
}

} // namespace facesieve
