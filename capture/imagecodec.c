#include "imagecodec.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>
#include <webp/decode.h>

// A progressive JPEG can contain any number of scans, and decoding each takes a pass over the whole image. Encoders
// write about ten.
enum { max_scans = 100 };
// Webcams and cheap encoders write some bytes of padding before the end marker. In a damaged stream more bytes remain.
enum { max_padding = 64 };

// reader is the state of the libjpeg callbacks. They get it as the error manager, which is therefore its first field.
struct reader {
  struct jpeg_error_mgr manager;
  struct jpeg_progress_mgr progress;
  jmp_buf escape;
  char *message;
  bool ended; // the data ended before the end marker
  unsigned padding;
};

static void fail(j_common_ptr info) {
  struct reader *r = (struct reader *)info->err;
  if (!r->ended) { // otherwise the message already contains the cause: the data has ended
    info->err->format_message(info, r->message);
  }
  longjmp(r->escape, 1);
}

static void fail_with(j_common_ptr info, const char *text) {
  struct reader *r = (struct reader *)info->err;
  snprintf(r->message, IMAGE_MESSAGE, "%s", text);
  longjmp(r->escape, 1);
}

// warn handles the faults after which libjpeg continues to decode.
static void warn(j_common_ptr info, int level) {
  struct reader *r = (struct reader *)info->err;
  if (level >= 0) { // a trace
    return;
  }
  switch (info->err->msg_code) {
  case JWRN_JFIF_MAJOR:
  case JWRN_ADOBE_XFORM:
  case JWRN_BOGUS_ICC:
  case JWRN_NOT_SEQUENTIAL: // fields of headers that affect no pixel
    return;
  case JWRN_JPEG_EOF: // the pixels may be complete
    if (!r->ended) {
      info->err->format_message(info, r->message);
    }
    r->ended = true;
    return;
  case JWRN_EXTRANEOUS_DATA:
    r->padding += (unsigned)info->err->msg_parm.i[0];
    if (r->padding <= max_padding) {
      return;
    }
  }
  fail(info);
}

static void print_nothing(j_common_ptr info) { (void)info; }

static void count_scans(j_common_ptr info) {
  if (((j_decompress_ptr)info)->input_scan_number > max_scans) {
    fail_with(info, "more scans than any encoder writes");
  }
}

static void begin(struct jpeg_decompress_struct *info, struct reader *r, const uint8_t *data, size_t length) {
  jpeg_create_decompress(info);
  r->progress.progress_monitor = count_scans;
  info->progress = &r->progress;
  jpeg_mem_src(info, data, length);
  jpeg_read_header(info, TRUE);
}

static void prepare(struct jpeg_decompress_struct *info, struct reader *r, char *message) {
  memset(info, 0, sizeof *info);
  memset(r, 0, sizeof *r);
  message[0] = 0;
  r->message = message;
  info->err = jpeg_std_error(&r->manager);
  r->manager.error_exit = fail;
  r->manager.emit_message = warn;
  r->manager.output_message = print_nothing;
}

bool jpeg_size(const uint8_t *data, size_t length, int *width, int *height, char message[IMAGE_MESSAGE]) {
  struct jpeg_decompress_struct info;
  struct reader r;
  prepare(&info, &r, message);
  if (setjmp(r.escape) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  begin(&info, &r, data, length);
  *width = (int)info.image_width;
  *height = (int)info.image_height;
  jpeg_destroy_decompress(&info);
  return true;
}

// to_bgr converts a row from CMYK to BGR. Adobe's programs store the complement of the inks, and mark such files.
static void to_bgr(uint8_t *row, const uint8_t *cmyk, int width, bool complement) {
  for (int x = 0; x < width; x++, row += 3, cmyk += 4) {
    unsigned flip = complement ? 0 : 255;
    unsigned k = cmyk[3] ^ flip;
    for (int i = 0; i < 3; i++) {
      row[2 - i] = (uint8_t)((cmyk[i] ^ flip) * k / 255);
    }
  }
}

static void read_rows(struct jpeg_decompress_struct *info, uint8_t *bgr, size_t stride) {
  JSAMPARRAY scratch = NULL;
  if (info->num_components == 4) {
    scratch = info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE, info->output_width * 4, 1);
  }
  while (info->output_scanline < info->output_height) {
    uint8_t *row = bgr + stride * info->output_scanline;
    JSAMPROW target = scratch == NULL ? row : scratch[0];
    if (jpeg_read_scanlines(info, &target, 1) != 1) {
      fail_with((j_common_ptr)info, "no more rows");
    }
    if (scratch != NULL) {
      to_bgr(row, scratch[0], (int)info->output_width, info->saw_Adobe_marker);
    }
  }
}

bool jpeg_decode(const uint8_t *data, size_t length, int width, int height, uint8_t *bgr, size_t stride,
                 char message[IMAGE_MESSAGE]) {
  struct jpeg_decompress_struct info;
  struct reader r;
  prepare(&info, &r, message);
  if (setjmp(r.escape) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  begin(&info, &r, data, length);
  info.out_color_space = info.num_components == 4 ? JCS_CMYK : JCS_EXT_BGR;
  // In an image of several scans a missing end marker can mean that scans are missing, without which it is coarse.
  bool several = jpeg_has_multiple_scans(&info);
  jpeg_start_decompress(&info);
  if ((int)info.output_width != width || (int)info.output_height != height) {
    fail_with((j_common_ptr)&info, "the size changed");
  }
  read_rows(&info, bgr, stride);
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return !(several && r.ended);
}

bool webp_size(const uint8_t *data, size_t length, int *width, int *height, bool *animated) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, length, &features) != VP8_STATUS_OK) {
    return false;
  }
  *width = features.width;
  *height = features.height;
  *animated = features.has_animation;
  return true;
}

bool webp_decode(const uint8_t *data, size_t length, uint8_t *bgr, size_t size, int stride) {
  return WebPDecodeBGRInto(data, length, bgr, size, stride) != NULL;
}
