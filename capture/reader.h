// A reader of containers, on libavformat: video files, and streams whose bytes Go reads.
#ifndef FACESIEVE_CAPTURE_READER_H
#define FACESIEVE_CAPTURE_READER_H

#include <atomic>
#include <memory>
#include <string>

#include "decoder.h"
#include "ffmpeg.h"
#include "scaler.h"

extern "C" {
#include <libavformat/avformat.h>
}

namespace facesieve {

// decoder_options returns the options of a decoder.
DecoderOptions decoder_options(const media_options &options);
// scaler_of returns a new scaler.
std::shared_ptr<Scaler> scaler_of(const media_options &options);
// status_of returns the status for a packet.
media_status status_of(Sent sent);

class Reader {
public:
  explicit Reader(const media_options &options);
  ~Reader();
  Reader(const Reader &) = delete;
  Reader &operator=(const Reader &) = delete;

  media_status open_file(const std::string &path, media_frame &result);
  media_status open_feed(uintptr_t feed, const std::string &url, const std::string &format, media_frame &result);
  media_status next(const media_wanted &wanted, media_frame &result);
  // picture returns the frame of the last next.
  std::unique_ptr<Picture> picture() const { return std::make_unique<Picture>(decoder_.frame(), shape_, scaler_); }
  void info(media_info &info) const;
  const Decoder &decoder() const { return decoder_; }
  void interrupt() { stop_ = true; }

  // For the callbacks that libavformat calls.
  bool interrupted() const { return stop_; }
  bool count_bytes(int bytes); // returns false if too many came without a frame
  int open_nested(AVIOContext **pb, const char *url, int flags, AVDictionary **options);
  static int close_nested(AVIOContext *pb);

private:
  int allocate();
  int open_input(const std::string &url, const AVInputFormat *format, AVDictionary **options);
  media_status check_first_packets(const std::string &url, media_frame &result);
  int find_streams();
  media_status choose_video(media_frame &result);
  media_status start(AVStream *stream, media_frame &result);
  media_status fault(int error, media_frame &result) const;
  media_status decode(AVPacket &packet, const media_wanted &wanted, media_frame &result);
  int64_t stamp_ns(int64_t stamp) const;
  media_status describe(media_frame &result);
  void update_covered(const AVPacket &packet);
  int64_t declared_us() const;
  static AVIOContext *feed_context(Reader *reader, uintptr_t feed);

  media_options options_;
  Decoder decoder_;
  std::shared_ptr<Scaler> scaler_;
  std::atomic<bool> stop_{false};
  AVFormatContext *context_ = nullptr;
  AVIOContext *root_ = nullptr; // of the stream itself; nullptr for a file
  uintptr_t feed_ = 0;
  AVPacket *packet_ = nullptr;
  int video_ = -1; // index of the stream; -1: not chosen yet
  int rotation_ = 0;            // degrees clockwise
  Shape shape_{{0, 1}, 0};      // of the last frame
  int64_t bytes_left_ = 0;      // bytes that may come before the next frame
  bool flooded_ = false;        // more bytes came
  bool flushed_ = false;        // the decoder has received all packets
  int64_t first_us_ = INT64_MAX, last_us_ = INT64_MIN; // covered part of the duration
};

} // namespace facesieve
#endif
