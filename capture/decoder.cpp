#include "decoder.h"

#include <dlfcn.h>

extern "C" {
#include <libavcodec/avcodec.h>
}

namespace facesieve {

static thread_local Form *watching = nullptr;

void Form::see(int width, int height, int format) {
  if (width_ == 0) {
    width_ = width, height_ = height, format_ = format;
  }
  changed_ = changed_ || width != width_ || height != height_ || format != format_;
}

Watch::Watch(Form &form) { watching = &form; }
Watch::~Watch() { watching = nullptr; }

} // namespace facesieve

int avcodec_receive_frame(AVCodecContext *context, AVFrame *frame) {
  using Function = int (*)(AVCodecContext *, AVFrame *);
  static const Function original = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "avcodec_receive_frame"));
  if (original == nullptr) {
    return AVERROR_BUG;
  }
  int result = original(context, frame);
  if (result >= 0 && facesieve::watching != nullptr) {
    facesieve::watching->see(frame->width, frame->height, frame->format);
  }
  return result;
}
