package pipeline

/*
#cgo pkg-config: libjpeg
#include <stdlib.h>
#include "jpeg.h"
*/
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"unsafe"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/publish/event"
	"facesieve/quality"
)

// EncodeAligned encodes an aligned face, 112x112 BGR bytes, as JPEG or PNG.
func EncodeAligned(cfg config.Image, bgr []byte) ([]byte, error) {
	if len(bgr) != 3*quality.Size*quality.Size {
		return nil, fmt.Errorf("encode face: %d bytes instead of %dx%d BGR pixels", len(bgr), quality.Size, quality.Size)
	}
	encode := encodeJPEG
	if cfg.Encoding == event.PNG {
		encode = encodePNG
	}
	data, err := encode(bgr, cfg.Quality)
	if err != nil {
		return nil, fmt.Errorf("encode face as %s: %w", cfg.Encoding, err)
	}
	return data, nil
}

func encodeJPEG(bgr []byte, jpegQuality int) ([]byte, error) {
	return toJPEG(bgr, image.Pt(quality.Size, quality.Size), jpegQuality, 4*len(bgr)) // none is larger
}

// EncodePicture encodes a picture for people, width*height*3 BGR bytes without gaps, as JPEG.
func EncodePicture(bgr []byte, width, height int) ([]byte, error) {
	const jpegQuality = 80
	if width < 1 || height < 1 || len(bgr) != 3*width*height {
		return nil, fmt.Errorf("encode picture: %d bytes instead of %dx%d BGR pixels", len(bgr), width, height)
	}
	const headers = 1024
	return toJPEG(bgr, image.Pt(width, height), jpegQuality, len(bgr)+headers)
}

// toJPEG returns a JPEG of at most this number of bytes. The memory for so many is of C, because only the few that libjpeg
// writes need pages; in the Go heap it would be most of what is allocated.
func toJPEG(bgr []byte, size image.Point, jpegQuality, most int) ([]byte, error) {
	data := C.malloc(C.size_t(most))
	defer C.free(data)
	length := C.jpeg_encode((*C.uint8_t)(unsafe.SliceData(bgr)), C.int(size.X), C.int(size.Y), C.int(jpegQuality),
		(*C.uint8_t)(data), C.ulong(most))
	if length == 0 {
		return nil, errors.New("libjpeg failed")
	}
	return C.GoBytes(data, C.int(length)), nil //nolint:gosec // at most most
}

func encodePNG(bgr []byte, _ int) ([]byte, error) {
	rgba := image.NewRGBA(image.Rect(0, 0, quality.Size, quality.Size))
	for to := rgba.Pix; len(to) > 0; to, bgr = to[4:], bgr[3:] {
		to[0], to[1], to[2], to[3] = bgr[2], bgr[1], bgr[0], 255
	}
	var data bytes.Buffer
	err := png.Encode(&data, rgba)
	return data.Bytes(), err
}
