package pipeline

/*
#cgo pkg-config: libjpeg
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
	data := make([]byte, 4*len(bgr)) // no JPEG is larger
	length := C.jpeg_encode((*C.uint8_t)(unsafe.SliceData(bgr)), quality.Size, quality.Size, C.int(jpegQuality),
		(*C.uint8_t)(unsafe.SliceData(data)), C.ulong(len(data)))
	if length == 0 {
		return nil, errors.New("libjpeg failed")
	}
	return bytes.Clone(data[:length]), nil
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
