// Every function catches all exceptions, because one that reaches Go ends the whole daemon.
#include "ffmpeg.h"

#include <cstdarg>
#include <cstdlib>
#include <memory>
#include <new>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "reader.h"

extern "C" {
#include <libavutil/avstring.h>
}

using facesieve::Decoder;
using facesieve::Picture;
using facesieve::Reader;
using facesieve::Sent;
using facesieve::Shape;

namespace {
// A decoder for the packets that Go receives.
struct PacketDecoder {
  explicit PacketDecoder(const media_options &options)
      : decoder(facesieve::decoder_options(options)), scaler(facesieve::scaler_of(options)), packet(av_packet_alloc()) {}
  ~PacketDecoder() { av_packet_free(&packet); }
  Decoder decoder;
  std::shared_ptr<facesieve::Scaler> scaler;
  AVPacket *packet;
};

void discard(void *, int, const char *, va_list) {}

// silence turns off FFmpeg's messages, which go to stderr and contain addresses with their credentials.
void silence() {
  static const bool done = (av_log_set_callback(discard), true);
  (void)done;
}

// guarded calls f, and reports an exception as lack of memory. It measures the CPU time of f.
template <typename F> media_status guarded(media_frame &result, F f) {
  result = {};
  media_status status = MEDIA_FAILED;
  auto began = facesieve::thread_time();
  try {
    status = f();
  } catch (...) {
    result.error = AVERROR(ENOMEM);
  }
  result.cpu_ns = (facesieve::thread_time() - began).count();
  return status;
}

// released returns the picture of f for C, with its size after the conversion, or nullptr if it cannot be converted, or
// memory is short.
template <typename F> void *released(int &width, int &height, F f) {
  try {
    std::unique_ptr<Picture> picture = f();
    if (!picture->valid()) {
      return nullptr;
    }
    cv::Size size = picture->size();
    width = size.width, height = size.height;
    return picture.release();
  } catch (...) {
    return nullptr;
  }
}

void describe(const Decoder &decoder, media_decoder &result) {
  av_strlcpy(result.used, decoder.used().c_str(), sizeof(result.used));
  av_strlcpy(result.refusals, decoder.refusals().c_str(), sizeof(result.refusals));
}

Reader &reader_of(void *handle) { return *static_cast<Reader *>(handle); }

// refused returns the status of a stream or packet that the decoder does not accept.
media_status refused(const Decoder &decoder, int error, media_frame &result) {
  result.error = error;
  result.rejected_pixels = decoder.rejected_pixels();
  if (decoder.rejected_pixels() > 0) {
    return MEDIA_TOO_LARGE;
  }
  return error == AVERROR_DECODER_NOT_FOUND ? MEDIA_NO_DECODER : MEDIA_FAILED;
}

int open(PacketDecoder &packets, const char *codec) {
  const AVCodecDescriptor *descriptor = avcodec_descriptor_get_by_name(codec);
  std::unique_ptr<AVCodecParameters, void (*)(AVCodecParameters *)> parameters(
      avcodec_parameters_alloc(), [](AVCodecParameters *p) { avcodec_parameters_free(&p); });
  if (descriptor == nullptr || parameters == nullptr) {
    return AVERROR_DECODER_NOT_FOUND;
  }
  parameters->codec_type = AVMEDIA_TYPE_VIDEO;
  parameters->codec_id = descriptor->id;
  return packets.decoder.open(parameters.get(), {1, 1000000000});
}
} // namespace

void media_error(int number, char *text, size_t size) { av_strerror(number, text, size); }

void media_trim(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void media_map_blocks(void) {
#ifdef __GLIBC__
  // The limit with which glibc begins. It would raise it with each such block that is freed.
  static const bool done = getenv("MALLOC_MMAP_THRESHOLD_") != nullptr || mallopt(M_MMAP_THRESHOLD, 128 << 10) == 1;
  (void)done;
#endif
}

void media_try_hardware(const char *names, media_decoder *result) {
  *result = {};
  silence();
  try {
    std::unique_ptr<AVCodecParameters, void (*)(AVCodecParameters *)> parameters(
        avcodec_parameters_alloc(), [](AVCodecParameters *p) { avcodec_parameters_free(&p); });
    if (parameters == nullptr) {
      return;
    }
    parameters->codec_type = AVMEDIA_TYPE_VIDEO;
    parameters->codec_id = AV_CODEC_ID_H264;
    parameters->width = 1920, parameters->height = 1080;
    Decoder decoder({1920 * 1088, true, names, 0});
    if (decoder.open(parameters.get(), {1, 1000000000}) >= 0) {
      av_strlcpy(result->used, decoder.tried().c_str(), sizeof(result->used));
      av_strlcpy(result->refusals, decoder.refusals().c_str(), sizeof(result->refusals));
    }
  } catch (...) {
  }
}

void *reader_new(const media_options *options) {
  silence();
  try {
    return new Reader(*options);
  } catch (...) {
    return nullptr;
  }
}

media_status reader_open_file(void *reader, const char *path, media_frame *result) {
  return guarded(*result, [&] { return reader_of(reader).open_file(path, *result); });
}

media_status reader_open_feed(void *reader, uintptr_t feed, const char *url, const char *format, media_frame *result) {
  return guarded(*result, [&] { return reader_of(reader).open_feed(feed, url, format, *result); });
}

media_status reader_next(void *reader, media_wanted wanted, media_frame *result) {
  return guarded(*result, [&] { return reader_of(reader).next(wanted, *result); });
}

void *reader_picture(void *reader, int *width, int *height) {
  return released(*width, *height, [&] { return reader_of(reader).picture(); });
}

void reader_info(void *reader, media_info *info) {
  try {
    reader_of(reader).info(*info);
  } catch (...) {
    *info = {};
  }
}

void reader_decoder(void *reader, media_decoder *result) { describe(reader_of(reader).decoder(), *result); }

void reader_interrupt(void *reader) { reader_of(reader).interrupt(); }

void reader_free(void *reader) {
  try {
    delete static_cast<Reader *>(reader);
  } catch (...) {
  }
}

void *decoder_new(const media_options *options, const char *codec, media_frame *result) {
  silence();
  std::unique_ptr<PacketDecoder> packets;
  media_status status = guarded(*result, [&] {
    packets.reset(new PacketDecoder(*options));
    int error = packets->packet == nullptr ? AVERROR(ENOMEM) : open(*packets, codec);
    return error < 0 ? refused(packets->decoder, error, *result) : MEDIA_FRAME;
  });
  return status == MEDIA_FRAME ? packets.release() : nullptr;
}

media_status decoder_send(void *decoder, const uint8_t *data, size_t size, bool key, int64_t stamp_ns,
                          media_wanted wanted, media_frame *result) {
  return guarded(*result, [&] {
    PacketDecoder &packets = *static_cast<PacketDecoder *>(decoder);
    int error = av_new_packet(packets.packet, static_cast<int>(size));
    if (error < 0) {
      return refused(packets.decoder, error, *result);
    }
    std::copy(data, data + size, packets.packet->data);
    packets.packet->flags = key ? AV_PKT_FLAG_KEY : 0;
    packets.packet->pts = stamp_ns;
    Sent sent = Sent::decoder;
    error = packets.decoder.send(packets.packet, 0, {wanted.period_ns, wanted.key_frames}, sent);
    av_packet_unref(packets.packet);
    result->stamp_ns = stamp_ns;
    return error < 0 ? refused(packets.decoder, error, *result) : facesieve::status_of(sent);
  });
}

media_status decoder_receive(void *decoder, media_frame *result) {
  return guarded(*result, [&] {
    PacketDecoder &packets = *static_cast<PacketDecoder *>(decoder);
    int error = packets.decoder.receive();
    if (error == AVERROR(EAGAIN)) {
      return MEDIA_MORE;
    }
    if (error < 0) {
      result->error = error;
      return error == AVERROR_EOF ? MEDIA_END : MEDIA_FAILED;
    }
    const AVFrame &frame = packets.decoder.frame();
    result->changes = packets.decoder.changes();
    result->width = frame.width, result->height = frame.height;
    result->sample_num = frame.sample_aspect_ratio.num, result->sample_den = frame.sample_aspect_ratio.den;
    result->stamp_ns = frame.best_effort_timestamp == AV_NOPTS_VALUE ? INT64_MIN : frame.best_effort_timestamp;
    return MEDIA_FRAME;
  });
}

void *decoder_picture(void *decoder, int *width, int *height) {
  return released(*width, *height, [&] {
    PacketDecoder &packets = *static_cast<PacketDecoder *>(decoder);
    const AVFrame &frame = packets.decoder.frame();
    return std::make_unique<Picture>(frame, Shape{frame.sample_aspect_ratio, 0}, packets.scaler);
  });
}

void decoder_used(void *decoder, media_decoder *result) {
  describe(static_cast<PacketDecoder *>(decoder)->decoder, *result);
}

void decoder_free(void *decoder) {
  try {
    delete static_cast<PacketDecoder *>(decoder);
  } catch (...) {
  }
}

bool picture_convert(void *picture, void *mat, int64_t *cpu_ns) {
  bool done = false;
  auto began = facesieve::thread_time();
  try {
    done = static_cast<Picture *>(picture)->convert(*static_cast<cv::Mat *>(mat));
  } catch (...) {
  }
  *cpu_ns = (facesieve::thread_time() - began).count();
  return done;
}

void picture_free(void *picture) { delete static_cast<Picture *>(picture); }
