#include "jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

// writer is the state of the libjpeg callbacks. They get it as the error manager, which is therefore its first field.
struct writer {
  struct jpeg_error_mgr manager;
  jmp_buf escape;
};

static void fail(j_common_ptr info) { longjmp(((struct writer *)info->err)->escape, 1); }

static void print_nothing(j_common_ptr info) { (void)info; }

unsigned long jpeg_encode(const uint8_t *bgr, int width, int height, int quality, uint8_t *data, unsigned long size) {
  struct jpeg_compress_struct info = {0};
  struct writer w = {0};
  info.err = jpeg_std_error(&w.manager);
  w.manager.error_exit = fail;
  w.manager.output_message = print_nothing;
  if (setjmp(w.escape) != 0) {
    jpeg_destroy_compress(&info);
    return 0;
  }
  jpeg_create_compress(&info);
  uint8_t *to = data; // of a larger buffer if libjpeg needs one
  jpeg_mem_dest(&info, &to, &size);
  info.image_width = (JDIMENSION)width;
  info.image_height = (JDIMENSION)height;
  info.input_components = 3;
  info.in_color_space = JCS_EXT_BGR;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = (JSAMPROW)(bgr + (size_t)info.next_scanline * (size_t)width * 3);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  if (to != data) {
    free(to);
    return 0;
  }
  return size;
}
