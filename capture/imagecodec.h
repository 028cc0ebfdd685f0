// Decoders of images that report damage. The decoders of OpenCV continue, and print a warning to stderr.
#ifndef FACESIEVE_CAPTURE_IMAGECODEC_H
#define FACESIEVE_CAPTURE_IMAGECODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IMAGE_MESSAGE 256

// jpeg_size reads the header of a JPEG. On failure message is the message of libjpeg.
bool jpeg_size(const uint8_t *data, size_t length, int *width, int *height, char message[IMAGE_MESSAGE]);
// jpeg_decode fills rows of width 8-bit BGR pixels, stride bytes apart; width and height are those of jpeg_size. It
// fails if a part of the image is missing or damaged.
bool jpeg_decode(const uint8_t *data, size_t length, int width, int height, uint8_t *bgr, size_t stride,
                 char message[IMAGE_MESSAGE]);

// webp_size reads the header of a WebP.
bool webp_size(const uint8_t *data, size_t length, int *width, int *height, bool *animated);
// webp_decode fills rows of 8-bit BGR pixels, stride bytes apart.
bool webp_decode(const uint8_t *data, size_t length, uint8_t *bgr, size_t size, int stride);

#ifdef __cplusplus
}
#endif
#endif
