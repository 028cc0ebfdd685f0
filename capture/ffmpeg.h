// The interface to FFmpeg, for cgo. FFmpeg opens files only; it reads streams through the captureFeed functions, which
// Go exports, because Go makes all network connections. No C++ exception leaves these functions.
#ifndef FACESIEVE_CAPTURE_FFMPEG_H
#define FACESIEVE_CAPTURE_FFMPEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct media_options {
  int64_t max_pixels;          // limit for a frame, before decoding and after stretching
  int aspect_num, aspect_den;  // width to height of the whole frame; 0: as declared by the stream
  bool live;                   // no probing, frames may change their size
  bool one_thread;             // no delayed frames; several threads only if one is too slow
  const char *hardware;        // names of hardware decoders, separated by commas, the preferred one first
  double max_cost;             // of a hardware decoder: CPU time as a share of that of software
  double max_load;             // of one thread: its CPU time as a share of the time that passes
} media_options;

// What the caller needs. Frames that are not needed may be omitted before they are decoded.
typedef struct media_wanted {
  int64_t period_ns; // one frame in each such time; 0: all
  bool key_frames;   // key frames alone, where the stream has others
} media_wanted;

typedef enum media_status {
  MEDIA_FRAME,
  MEDIA_MORE,        // decoder_receive: send another packet
  MEDIA_OVER_RATE,   // a frame was omitted, because another of the same period is decoded
  MEDIA_IDLE,        // a frame was omitted, because it is no key frame
  MEDIA_END,         // no more frames
  MEDIA_RESIZED,     // the frames of a file change their size here
  MEDIA_TOO_LARGE,   // a frame is larger than max_pixels
  MEDIA_NO_VIDEO,    // the container contains no video
  MEDIA_NO_DECODER,  // the codec is unknown to this FFmpeg
  MEDIA_FLOOD,       // too many bytes without a frame
  MEDIA_INTERRUPTED, // reader_interrupt was called
  MEDIA_FAILED,      // see media_frame.error
} media_status;

typedef struct media_frame {
  int64_t stamp_ns;            // from the beginning of the stream; INT64_MIN: unknown
  int width, height;           // as decoded
  int sample_num, sample_den;  // declared width to height of a pixel; 0:1 unknown
  int64_t rejected_pixels;     // of the frame that was too large
  int error;                   // last error number of FFmpeg
  int64_t cpu_ns;              // CPU time that the call took
  int changes;                 // how often the decoder was exchanged, or a hardware decoder refused
} media_frame;

typedef struct media_info {
  double fps;              // 0: unknown
  int64_t duration_us;     // as declared by the header of the container; 0: not declared
  int64_t covered_us;      // from the first packet that was read to the end of the last one
  char format[32];         // name of the container
  char streams[192];       // "h264 video, aac audio"
  char codec[32];          // of the video; empty: not known yet
} media_info;

// What decodes a stream.
typedef struct media_decoder {
  char used[32];       // name of the hardware decoder; empty: software
  char refusals[512];  // why others are not used
} media_decoder;

// media_error writes FFmpeg's text for an error number to text.
void media_error(int number, char *text, size_t size);
// media_trim returns freed memory to the system.
void media_trim(void);
// media_map_blocks gives each block of memory of 128 KiB or more pages of its own from now on, unless the environment
// contains another limit.
void media_map_blocks(void);

// media_try_hardware opens the hardware decoders of these names, separated by commas, for H.264. It writes the name of the
// first that opens to used, and why those before it do not to refusals.
void media_try_hardware(const char *names, media_decoder *result);

// A reader reads a container. All its functions except reader_interrupt must be called from one thread.
void *reader_new(const media_options *options);
media_status reader_open_file(void *reader, const char *path, media_frame *result);
// reader_open_feed reads from a feed of Go. Relative addresses in a playlist are resolved against the url, which has no
// credentials. The format is the name of a container; empty: detected from the content.
media_status reader_open_feed(void *reader, uintptr_t feed, const char *url, const char *format, media_frame *result);
// reader_next decodes the next frame, or omits it.
media_status reader_next(void *reader, media_wanted wanted, media_frame *result);
void *reader_picture(void *reader, int *width, int *height); // see picture_convert
void reader_decoder(void *reader, media_decoder *result);
void reader_info(void *reader, media_info *info);
void reader_interrupt(void *reader);
void reader_free(void *reader);

// A decoder decodes the packets of one stream. The codec is a codec name of FFmpeg.
void *decoder_new(const media_options *options, const char *codec, media_frame *result);
// decoder_send decodes a packet, or omits its frame.
media_status decoder_send(void *decoder, const uint8_t *data, size_t size, bool key, int64_t stamp_ns,
                          media_wanted wanted, media_frame *result);
media_status decoder_receive(void *decoder, media_frame *result);
void *decoder_picture(void *decoder, int *width, int *height); // see picture_convert
void decoder_used(void *decoder, media_decoder *result);
void decoder_free(void *decoder);

// A picture is the frame of the last reader_next or decoder_receive, before its conversion. It stays valid when its reader
// or decoder continues or is freed. reader_picture and decoder_picture return it with its size after the conversion, or
// NULL if libswscale does not support its format, or memory is short. Pictures of the same reader or decoder must be
// converted one after the other.

// picture_convert fills a cv::Mat: 8-bit BGR, upright, with square pixels. It returns false if memory is short. It writes
// its CPU time to cpu_ns.
bool picture_convert(void *picture, void *mat, int64_t *cpu_ns);
void picture_free(void *picture);

// Functions that Go exports. A feed is a stream of bytes that Go reads from the network.

// captureFeedRead returns the number of bytes, 0 at the end, -1 on an error.
extern int captureFeedRead(uintptr_t feed, uint8_t *buffer, int size);
// captureFeedOpen opens another address of the feed's server, from byte offset to byte end (0: to the end of the file).
// It returns 0 if the address is not allowed or cannot be opened.
extern uintptr_t captureFeedOpen(uintptr_t feed, char *url, int64_t offset, int64_t end);
extern void captureFeedClose(uintptr_t feed);

#ifdef __cplusplus
}
#endif
#endif
