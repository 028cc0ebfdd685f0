// Decoders of still pictures that report damage. The decoders of OpenCV continue and print a warning to stderr.
#ifndef FACESIEVE_CAPTURE_PICTURECODEC_H
#define FACESIEVE_CAPTURE_PICTURECODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PICTURE_MESSAGE 256

// jpeg_size reads the header of a JPEG. On failure message is the message of libjpeg.
bool jpeg_size(const uint8_t *data, size_t length, int *width, int *height, char message[PICTURE_MESSAGE]);
// jpeg_decode fills rows of width 8-bit BGR pixels, stride bytes apart; width and height are those of jpeg_size. It
// fails if a part of the picture is missing or damaged.
bool jpeg_decode(const uint8_t *data, size_t length, int width, int height, uint8_t *bgr, size_t stride,
                 char message[PICTURE_MESSAGE]);

// webp_size reads the header of a WebP.
bool webp_size(const uint8_t *data, size_t length, int *width, int *height, bool *animated);
// webp_decode fills rows of 8-bit BGR pixels, stride bytes apart.
bool webp_decode(const uint8_t *data, size_t length, uint8_t *bgr, size_t size, int stride);

// picture_create gives a cv::Mat this size and the type 8-bit BGR, without setting its pixels.
bool picture_create(void *mat, int width, int height);

#ifdef __cplusplus
}
#endif
#endif
