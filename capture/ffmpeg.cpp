// Every function catches all exceptions, because one that reaches Go ends the whole daemon.
#include "ffmpeg.h"

#include <cstdarg>
#include <memory>
#include <new>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "reader.h"

using facesieve::Decoder;
using facesieve::Reader;
using facesieve::Scaler;
using facesieve::Shape;

namespace {
// A decoder for the packets of a network library.
struct Stream {
  explicit Stream(const media_options &options)
      : decoder({options.max_pixels, options.live}),
        scaler(options.max_pixels, {options.aspect_num, options.aspect_den > 0 ? options.aspect_den : 1}),
        packet(av_packet_alloc()) {}
  ~Stream() { av_packet_free(&packet); }
  Decoder decoder;
  Scaler scaler;
  AVPacket *packet;
};

void discard(void *, int, const char *, va_list) {}

// silence turns off FFmpeg's messages, which go to stderr and contain addresses with their credentials.
void silence() {
  static const bool done = (av_log_set_callback(discard), true);
  (void)done;
}

// guarded calls f, and reports any exception as lack of memory.
template <typename F> media_status guarded(media_frame &result, F f) {
  result = {};
  try {
    return f();
  } catch (...) {
    result.error = AVERROR(ENOMEM);
    return MEDIA_FAILED;
  }
}

Reader &reader_of(void *handle) { return *static_cast<Reader *>(handle); }

media_status refused(const Decoder &decoder, int error, media_frame &result) {
  result.error = error;
  result.giant_pixels = decoder.giant();
  if (decoder.giant() > 0) {
    return MEDIA_GIANT;
  }
  return error == AVERROR_DECODER_NOT_FOUND ? MEDIA_NO_DECODER : MEDIA_FAILED;
}

int start(Stream &stream, const char *codec) {
  const AVCodecDescriptor *descriptor = avcodec_descriptor_get_by_name(codec);
  std::unique_ptr<AVCodecParameters, void (*)(AVCodecParameters *)> parameters(
      avcodec_parameters_alloc(), [](AVCodecParameters *p) { avcodec_parameters_free(&p); });
  if (descriptor == nullptr || parameters == nullptr) {
    return AVERROR_DECODER_NOT_FOUND;
  }
  parameters->codec_type = AVMEDIA_TYPE_VIDEO;
  parameters->codec_id = descriptor->id;
  return stream.decoder.open(parameters.get(), {1, 1000000000});
}
} // namespace

void media_error(int number, char *text, size_t size) { av_strerror(number, text, size); }

void media_trim(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
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

media_status reader_next(void *reader, void *mat, media_frame *result) {
  return guarded(*result, [&] { return reader_of(reader).next(*static_cast<cv::Mat *>(mat), *result); });
}

void reader_info(void *reader, media_info *info) {
  try {
    reader_of(reader).info(*info);
  } catch (...) {
    *info = {};
  }
}

void reader_interrupt(void *reader) { reader_of(reader).interrupt(); }

void reader_free(void *reader) {
  try {
    delete static_cast<Reader *>(reader);
  } catch (...) {
  }
}

void *decoder_new(const media_options *options, const char *codec, media_frame *result) {
  silence();
  std::unique_ptr<Stream> stream;
  media_status status = guarded(*result, [&] {
    stream.reset(new Stream(*options));
    int error = stream->packet == nullptr ? AVERROR(ENOMEM) : start(*stream, codec);
    return error < 0 ? refused(stream->decoder, error, *result) : MEDIA_FRAME;
  });
  return status == MEDIA_FRAME ? stream.release() : nullptr;
}

media_status decoder_send(void *decoder, const uint8_t *data, size_t size, bool key, int64_t stamp_ns,
                          media_frame *result) {
  return guarded(*result, [&] {
    Stream &stream = *static_cast<Stream *>(decoder);
    int error = av_new_packet(stream.packet, static_cast<int>(size));
    if (error < 0) {
      return refused(stream.decoder, error, *result);
    }
    std::copy(data, data + size, stream.packet->data);
    stream.packet->flags = key ? AV_PKT_FLAG_KEY : 0;
    stream.packet->pts = stamp_ns;
    error = stream.decoder.send(stream.packet);
    av_packet_unref(stream.packet);
    return error < 0 ? refused(stream.decoder, error, *result) : MEDIA_FRAME;
  });
}

media_status decoder_receive(void *decoder, void *mat, media_frame *result) {
  return guarded(*result, [&] {
    Stream &stream = *static_cast<Stream *>(decoder);
    int error = stream.decoder.receive();
    if (error == AVERROR(EAGAIN)) {
      return MEDIA_MORE;
    }
    if (error < 0) {
      result->error = error;
      return error == AVERROR_EOF ? MEDIA_END : MEDIA_FAILED;
    }
    const AVFrame &frame = stream.decoder.frame();
    result->width = frame.width, result->height = frame.height;
    result->sample_num = frame.sample_aspect_ratio.num, result->sample_den = frame.sample_aspect_ratio.den;
    result->stamp_ns = frame.best_effort_timestamp == AV_NOPTS_VALUE ? INT64_MIN : frame.best_effort_timestamp;
    bool good = stream.scaler.convert(frame, Shape{frame.sample_aspect_ratio, 0}, *static_cast<cv::Mat *>(mat));
    return good ? MEDIA_FRAME : MEDIA_FAILED;
  });
}

void decoder_free(void *decoder) {
  try {
    delete static_cast<Stream *>(decoder);
  } catch (...) {
  }
}
