// The size of the pictures that FFmpeg decodes, and whether it stays.
//
// A camera's pictures change their size in the middle of a stream when somebody changes its resolution. OpenCV 4.6 goes on
// with the size of the first picture: it repeats the last one for ever, or reads beyond the decoder's memory. OpenCV tells
// nobody, so this program looks over its shoulder: decoder.cpp defines avcodec_receive_frame, the dynamic linker binds
// OpenCV's calls to that one, and it passes them on to FFmpeg's own. Where OpenCV brings an FFmpeg of its own along, nothing
// is seen and nothing changes.
#ifndef FACESIEVE_CAPTURE_DECODER_H
#define FACESIEVE_CAPTURE_DECODER_H

namespace facesieve {

// Form is what may not change from picture to picture.
class Form {
public:
  void see(int width, int height, int format);
  bool changed() const { return changed_; }

private:
  int width_ = 0, height_ = 0, format_ = 0;
  bool changed_ = false;
};

// Watch lets the pictures that this thread decodes be seen by a form, for as long as the watch lives.
class Watch {
public:
  explicit Watch(Form &form);
  ~Watch();
  Watch(const Watch &) = delete;
  Watch &operator=(const Watch &) = delete;
};

} // namespace facesieve
#endif
