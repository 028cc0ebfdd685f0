// An encoder of JPEG. That of OpenCV, in the build of a distribution, first loads the drivers of all its formats: 10 MB.
#ifndef FACESIEVE_PIPELINE_JPEG_H
#define FACESIEVE_PIPELINE_JPEG_H

#include <stdint.h>

// jpeg_encode encodes rows of width 8-bit BGR pixels without gaps, at quality 1..100, into data of that size. It returns
// the number of bytes, 0 if the size is not enough or memory is short.
unsigned long jpeg_encode(const uint8_t *bgr, int width, int height, int quality, uint8_t *data, unsigned long size);

#endif
