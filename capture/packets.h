// Which packets of a stream need not be decoded.
#ifndef FACESIEVE_CAPTURE_PACKETS_H
#define FACESIEVE_CAPTURE_PACKETS_H

#include <array>
#include <cstdint>
#include <deque>

extern "C" {
#include <libavcodec/avcodec.h>
}

namespace facesieve {

// References detects frames to which no other frame refers, in H.264 and H.265. A decoder that does not get their packets
// decodes all other frames as before. Of other codecs it detects those that the container marks.
class References {
public:
  void configure(const AVCodecParameters &parameters);
  // none reports whether no other frame refers to the frame of a packet. Packets must come in decoding order.
  bool none(const AVPacket &packet);

private:
  AVCodecID codec_ = AV_CODEC_ID_NONE;
  int length_size_ = 0; // bytes of the length before each NAL unit; 0: start codes (annex B)
  int layers_ = 0;      // temporal sub-layers of H.265; 0: not known yet
};

// Sampler selects the packets that are needed for one frame a period, the first of each, as the Go type grid does with
// the decoded frames. So it omits none that would be selected.
class Sampler {
public:
  // needed reports whether a packet is decoded: if others refer to its frame, and if no packet before has an earlier stamp
  // in the same period. The stamp and the period are in nanoseconds, and packets come in decoding order. A period of 0
  // needs all.
  bool needed(int64_t stamp, int64_t period, bool referenced);

private:
  struct Period {
    int64_t number, first; // the earliest stamp in it
  };
  std::array<Period, 64> periods_{}; // the latest, each at its number modulo the size
  int64_t period_ = 0;
};

// Backlog holds the packets since the last key frame, so that decoding can begin there.
class Backlog {
public:
  Backlog() = default;
  ~Backlog() { clear(); }
  Backlog(const Backlog &) = delete;
  Backlog &operator=(const Backlog &) = delete;

  // add appends a packet. Too many discard all, and the backlog stays empty until begin.
  void add(const AVPacket &packet);
  // begin replaces all packets by a key frame.
  void begin(const AVPacket &key);
  bool empty() const { return packets_.empty(); }
  // take returns the oldest packet, which the caller frees, or nullptr.
  AVPacket *take();
  void clear();

private:
  std::deque<AVPacket *> packets_;
  int64_t bytes_ = 0;
};

} // namespace facesieve
#endif
