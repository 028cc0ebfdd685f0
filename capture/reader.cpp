#include "reader.h"

#include <algorithm>
#include <cmath>
#include <vector>

extern "C" {
#include <libavutil/avstring.h>
#include <libavutil/display.h>
#include <libavutil/opt.h>
}

namespace facesieve {

// The maximum number of bytes from one frame to the next. Cameras send fewer.
static const int64_t kMaxBytes = 64 << 20;
static const int kFeedBuffer = 32 << 10;
// The first packet of the video must be among this many packets at the beginning of a file.
static const int kFirstPackets = 200;
// The containers that a camera may send. Others open further addresses (sdp, concat, dash) or contain no video.
static const char *const kStreamFormats =
    "mpjpeg,mjpeg,mpegts,flv,live_flv,hls,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,h264,hevc,mpegvideo,m4v,mpeg,avi,asf,"
    "ogg,ivf,obu,av1,aac,mp3,ac3,eac3,webvtt";

namespace {
struct Feed {
  Reader *reader;
  uintptr_t handle;
};

int read_feed(void *opaque, uint8_t *buffer, int size) {
  Feed &feed = *static_cast<Feed *>(opaque);
  if (feed.reader->interrupted()) {
    return AVERROR_EXIT;
  }
  int count = captureFeedRead(feed.handle, buffer, size);
  if (count == 0) {
    return AVERROR_EOF;
  }
  if (count < 0) {
    return AVERROR(EIO);
  }
  return feed.reader->count_bytes(count) ? count : AVERROR(EFBIG);
}

int is_interrupted(void *opaque) { return static_cast<Reader *>(opaque)->interrupted(); }

int open_nested_address(AVFormatContext *context, AVIOContext **pb, const char *url, int flags,
                        AVDictionary **options) {
  return static_cast<Reader *>(context->opaque)->open_nested(pb, url, flags, options);
}

int close_nested_address(AVFormatContext *, AVIOContext *pb) { return Reader::close_nested(pb); }

// rotation returns the rotation that the container declares, degrees clockwise.
int rotation(const AVStream &stream) {
  const int32_t *matrix = nullptr;
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 100)
  const AVPacketSideData *data = av_packet_side_data_get(
      stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
  if (data != nullptr) {
    matrix = reinterpret_cast<const int32_t *>(data->data);
  }
#else
  matrix = reinterpret_cast<const int32_t *>(av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, nullptr));
#endif
  if (matrix == nullptr) {
    return 0;
  }
  double angle = -av_display_rotation_get(matrix);
  if (std::isnan(angle)) {
    return 0;
  }
  int degrees = static_cast<int>(std::lround(angle)) % 360;
  return degrees < 0 ? degrees + 360 : degrees;
}

bool is_video(const AVStream &stream) {
  return stream.codecpar->codec_type == AVMEDIA_TYPE_VIDEO && (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) == 0;
}

int64_t number(AVDictionary *options, const char *key) {
  AVDictionaryEntry *entry = av_dict_get(options, key, nullptr, 0);
  return entry == nullptr ? 0 : std::max(0LL, atoll(entry->value));
}
} // namespace

Reader::Reader(const media_options &options)
    : options_(options), decoder_(decoder_options(options)),
      scaler_(scaler_of(options)), packet_(av_packet_alloc()) {}

Reader::~Reader() {
  avformat_close_input(&context_);
  if (root_ != nullptr) {
    close_nested(root_);
  }
  av_packet_free(&packet_);
}

bool Reader::count_bytes(int bytes) {
  bytes_left_ -= bytes;
  flooded_ = flooded_ || bytes_left_ < 0;
  return !flooded_;
}

AVIOContext *Reader::feed_context(Reader *reader, uintptr_t handle) {
  Feed *feed = new Feed{reader, handle};
  uint8_t *buffer = static_cast<uint8_t *>(av_malloc(kFeedBuffer));
  AVIOContext *pb = nullptr;
  if (buffer != nullptr) {
    pb = avio_alloc_context(buffer, kFeedBuffer, 0, feed, read_feed, nullptr, nullptr);
  }
  if (pb == nullptr) {
    av_free(buffer);
    delete feed;
    captureFeedClose(handle);
    return nullptr;
  }
  pb->seekable = 0;
  return pb;
}

int Reader::open_nested(AVIOContext **pb, const char *url, int flags, AVDictionary **options) {
  AVDictionary *given = options == nullptr ? nullptr : *options;
  if ((flags & AVIO_FLAG_WRITE) != 0 || stop_) {
    return AVERROR(EPERM);
  }
  uintptr_t feed =
      captureFeedOpen(feed_, const_cast<char *>(url), number(given, "offset"), number(given, "end_offset"));
  if (feed == 0) {
    return AVERROR(EPERM);
  }
  *pb = feed_context(this, feed);
  return *pb == nullptr ? AVERROR(ENOMEM) : 0;
}

int Reader::close_nested(AVIOContext *pb) {
  Feed *feed = static_cast<Feed *>(pb->opaque);
  captureFeedClose(feed->handle);
  delete feed;
  av_freep(&pb->buffer);
  avio_context_free(&pb);
  return 0;
}

int Reader::allocate() {
  context_ = avformat_alloc_context();
  if (context_ == nullptr || packet_ == nullptr) {
    return AVERROR(ENOMEM);
  }
  context_->interrupt_callback = {is_interrupted, this};
  context_->opaque = this;
  return 0;
}

int Reader::open_input(const std::string &url, const AVInputFormat *format, AVDictionary **options) {
  bytes_left_ = kMaxBytes;
  // FFmpeg 4 requires the format without const.
  return avformat_open_input(&context_, url.c_str(), const_cast<AVInputFormat *>(format), options);
}

media_status Reader::fault(int error, media_frame &result) const {
  result.error = error;
  result.rejected_pixels = decoder_.rejected_pixels();
  if (stop_) {
    return MEDIA_INTERRUPTED;
  }
  if (flooded_) {
    return MEDIA_FLOOD;
  }
  if (decoder_.rejected_pixels() > 0) {
    return MEDIA_TOO_LARGE;
  }
  return error == AVERROR_DECODER_NOT_FOUND ? MEDIA_NO_DECODER : MEDIA_FAILED;
}

static int open_local(AVFormatContext **context, const std::string &url) {
  AVDictionary *options = nullptr;
  av_dict_set(&options, "protocol_whitelist", "file", 0);
  int error = avformat_open_input(context, url.c_str(), nullptr, &options);
  av_dict_free(&options);
  return error;
}

media_status Reader::open_file(const std::string &path, media_frame &result) {
  std::string url = "file:" + path;
  int error = allocate();
  if (error >= 0) {
    error = open_local(&context_, url);
  }
  if (error < 0) {
    return fault(error, result);
  }
  if ((context_->ctx_flags & AVFMTCTX_NOHEADER) != 0) {
    media_status status = check_first_packets(url, result);
    if (status != MEDIA_FRAME) {
      return status;
    }
  }
  error = find_streams();
  return error < 0 ? fault(error, result) : choose_video(result);
}

// check_first_packets checks the frame size in the first packets of a container whose header does not contain it, and
// then reopens the container. Without this check avformat_find_stream_info would decode a frame of any size.
media_status Reader::check_first_packets(const std::string &url, media_frame &result) {
  int64_t declared = 0;
  for (int i = 0; i < kFirstPackets && declared == 0 && av_read_frame(context_, packet_) >= 0; i++) {
    const AVCodecParameters *parameters = context_->streams[packet_->stream_index]->codecpar;
    if (parameters->codec_type == AVMEDIA_TYPE_VIDEO) {
      declared = declared_pixels(parameters->codec_id, parameters, packet_->data, packet_->size);
    }
    av_packet_unref(packet_);
  }
  if (declared > options_.max_pixels) {
    result.rejected_pixels = declared;
    return MEDIA_TOO_LARGE;
  }
  avformat_close_input(&context_);
  int error = allocate();
  if (error >= 0) {
    error = open_local(&context_, url);
  }
  return error < 0 ? fault(error, result) : MEDIA_FRAME;
}

int Reader::find_streams() {
  std::vector<AVDictionary *> options(context_->nb_streams, nullptr);
  for (AVDictionary *&one : options) {
    av_dict_set_int(&one, "max_pixels", options_.max_pixels, 0);
    av_dict_set_int(&one, "threads", 1, 0);
  }
  int error = avformat_find_stream_info(context_, options.empty() ? nullptr : options.data());
  for (AVDictionary *&one : options) {
    av_dict_free(&one);
  }
  return error;
}

// choose_video starts the decoder of the first video in a file.
media_status Reader::choose_video(media_frame &result) {
  for (unsigned i = 0; i < context_->nb_streams; i++) {
    if (is_video(*context_->streams[i])) {
      return start(context_->streams[i], result);
    }
  }
  return MEDIA_NO_VIDEO;
}

media_status Reader::start(AVStream *stream, media_frame &result) {
  video_ = stream->index;
  rotation_ = rotation(*stream);
  int error = decoder_.open(stream->codecpar, stream->time_base);
  return error < 0 ? fault(error, result) : MEDIA_FRAME;
}

media_status Reader::open_feed(uintptr_t feed, const std::string &url, const std::string &format, media_frame &result) {
  feed_ = feed;
  root_ = feed_context(this, feed);
  int error = root_ == nullptr ? AVERROR(ENOMEM) : allocate();
  if (error < 0) {
    return fault(error, result);
  }
  context_->pb = root_;
  context_->io_open = open_nested_address;
#if LIBAVFORMAT_VERSION_MAJOR >= 59
  context_->io_close2 = close_nested_address;
#endif
  AVDictionary *options = nullptr;
  av_dict_set(&options, "format_whitelist", kStreamFormats, 0);
  av_dict_set(&options, "protocol_whitelist", "none", 0);
  av_dict_set(&options, "http_persistent", "0", 0); // for hls: FFmpeg must not manage the connections
  av_dict_set(&options, "http_multiple", "0", 0);
  av_dict_set(&options, "extension_picky", "0", 0); // for hls, FFmpeg 7.1: captureFeedOpen checks the addresses
  const AVInputFormat *known = format.empty() ? nullptr : av_find_input_format(format.c_str());
  error = open_input(url, known, &options);
  av_dict_free(&options);
  return error < 0 ? fault(error, result) : MEDIA_FRAME;
}

DecoderOptions decoder_options(const media_options &options) {
  return {options.max_pixels, options.one_thread, options.hardware == nullptr ? "" : options.hardware, options.max_cost,
          options.max_load};
}

std::shared_ptr<Scaler> scaler_of(const media_options &options) {
  return std::make_shared<Scaler>(options.max_pixels, AVRational{options.aspect_num, std::max(1, options.aspect_den)});
}

media_status status_of(Sent sent) {
  switch (sent) {
  case Sent::over_rate:
    return MEDIA_OVER_RATE;
  case Sent::idle:
    return MEDIA_IDLE;
  default:
    return MEDIA_FRAME;
  }
}

// start_of returns the stamp of the beginning of a stream.
static int64_t start_of(const AVStream &stream) {
  return stream.start_time == AV_NOPTS_VALUE ? 0 : stream.start_time;
}

// decode sends a packet to the decoder. A live stream is not probed: the first packet of a video determines the stream.
media_status Reader::decode(AVPacket &packet, const media_wanted &wanted, media_frame &result) {
  update_covered(packet);
  AVStream *stream = context_->streams[packet.stream_index];
  if (video_ < 0 && is_video(*stream)) {
    media_status status = start(stream, result);
    if (status != MEDIA_FRAME) {
      return status;
    }
  }
  if (packet.stream_index != video_) {
    return MEDIA_FRAME;
  }
  Sent sent = Sent::decoder;
  int error = decoder_.send(&packet, start_of(*stream), {wanted.period_ns, wanted.key_frames}, sent);
  if (decoder_.rejected_pixels() > 0) {
    return fault(error, result);
  }
  if (error < 0) { // damaged; the next one may be good
    result.error = error;
  }
  result.stamp_ns = stamp_ns(packet.pts);
  return status_of(sent);
}

// update_covered updates the part of the duration that has been read.
void Reader::update_covered(const AVPacket &packet) {
  int64_t stamp = packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts;
  if (stamp == AV_NOPTS_VALUE) {
    return;
  }
  AVRational base = context_->streams[packet.stream_index]->time_base;
  first_us_ = std::min(first_us_, av_rescale_q(stamp, base, AV_TIME_BASE_Q));
  last_us_ = std::max(last_us_, av_rescale_q(stamp + packet.duration, base, AV_TIME_BASE_Q));
}

media_status Reader::next(const media_wanted &wanted, media_frame &result) {
  bytes_left_ = kMaxBytes;
  while (!stop_) {
    int error = decoder_.opened() ? decoder_.receive() : AVERROR(EAGAIN);
    if (error >= 0) {
      return describe(result);
    }
    if (flushed_) {
      return MEDIA_END;
    }
    error = av_read_frame(context_, packet_);
    if (error == AVERROR(EAGAIN)) {
      continue;
    }
    if (error < 0) {
      result.error = error;
      if (stop_ || flooded_) {
        return fault(error, result);
      }
      if (!decoder_.opened()) {
        return video_ < 0 && context_->nb_streams > 0 ? MEDIA_NO_VIDEO : MEDIA_END;
      }
      flushed_ = true;
      Sent sent;
      decoder_.send(nullptr, 0, {}, sent);
      continue;
    }
    media_status status = decode(*packet_, wanted, result);
    av_packet_unref(packet_);
    if (status != MEDIA_FRAME) {
      return status;
    }
  }
  return MEDIA_INTERRUPTED;
}

// describe fills result from the decoded frame.
media_status Reader::describe(media_frame &result) {
  const AVFrame &frame = decoder_.frame();
  if (decoder_.resized() && !options_.live) {
    return MEDIA_RESIZED;
  }
  AVStream *stream = context_->streams[video_];
  AVFrame *guessed = const_cast<AVFrame *>(&frame); // not modified
  shape_ = {av_guess_sample_aspect_ratio(context_, stream, guessed), rotation_};
  result.changes = decoder_.changes();
  result.width = frame.width, result.height = frame.height;
  result.sample_num = shape_.sample.num, result.sample_den = shape_.sample.den;
  result.stamp_ns = stamp_ns(frame.best_effort_timestamp);
  return MEDIA_FRAME;
}

// stamp_ns returns the time of a stamp of the video since its beginning, INT64_MIN if it is unknown.
int64_t Reader::stamp_ns(int64_t stamp) const {
  if (stamp == AV_NOPTS_VALUE) {
    return INT64_MIN;
  }
  const AVStream &stream = *context_->streams[video_];
  return av_rescale_q_rnd(stamp - start_of(stream), stream.time_base, {1, 1000000000}, AV_ROUND_ZERO);
}

void Reader::info(media_info &info) const {
  info = {};
  if (context_ == nullptr) {
    return;
  }
  if (video_ >= 0) {
    AVStream *stream = context_->streams[video_];
    info.fps = av_q2d(av_guess_frame_rate(context_, stream, nullptr));
    av_strlcpy(info.codec, avcodec_get_name(stream->codecpar->codec_id), sizeof(info.codec));
  }
  info.duration_us = declared_us();
  info.covered_us = last_us_ > first_us_ ? last_us_ - first_us_ : 0;
  av_strlcpy(info.format, context_->iformat->name, sizeof(info.format));
  for (unsigned i = 0; i < context_->nb_streams; i++) {
    const AVStream &stream = *context_->streams[i];
    const char *type = av_get_media_type_string(stream.codecpar->codec_type);
    if (stream.codecpar->codec_id == AV_CODEC_ID_NONE || type == nullptr) {
      continue;
    }
    bool cover = (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) != 0; // of a piece of music
    av_strlcatf(info.streams, sizeof(info.streams), "%s%s %s", info.streams[0] == 0 ? "" : ", ",
                avcodec_get_name(stream.codecpar->codec_id), cover ? "cover" : type);
  }
}

// declared_us returns the duration that the header declares, 0 if it is an estimate or the sum of other files.
int64_t Reader::declared_us() const {
  std::string format = context_->iformat->name;
  if (format == "avi" && video_ >= 0) { // libavformat changes the duration if the file is shorter
    AVStream *stream = context_->streams[video_];
    return av_rescale_q(stream->nb_frames, stream->time_base, AV_TIME_BASE_Q);
  }
  bool header = context_->duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
  return header && format.find("hls") == std::string::npos && context_->duration > 0 ? context_->duration : 0;
}

} // namespace facesieve
