package capture

/*
#cgo pkg-config: libjpeg libwebp
#include "picturecodec.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"gocv.io/x/gocv"
)

// decodePicture fills dst from the bytes of a picture file; see ReadPicture.
func decodePicture(data []byte, maxPixels int, dst *gocv.Mat) error {
	if err := supported(data[:min(len(data), signatureBytes)], ""); err != nil {
		return err
	}
	var exif []byte
	var err error
	switch formatOf(data) {
	case formatJPEG:
		exif, err = jpegEXIF(data), decodeJPEG(data, maxPixels, dst)
	case formatPNG:
		exif, err = pngEXIF(data), decodePNG(data, maxPixels, dst)
	case formatWebP:
		exif, err = decodeWebP(data, maxPixels, dst)
	default:
		err = decodeBMP(data, maxPixels, dst)
	}
	if err != nil {
		return err
	}
	return turnUpright(orientation(exif), dst)
}

func decodeJPEG(data []byte, maxPixels int, dst *gocv.Mat) error {
	var width, height C.int
	var message [C.PICTURE_MESSAGE]C.char
	if !C.jpeg_size(bytePointer(data), C.size_t(len(data)), &width, &height, &message[0]) {
		return damagedJPEG(&message)
	}
	pixels, stride, err := createBGR(int(width), int(height), maxPixels, dst)
	if err != nil {
		return err
	}
	if !C.jpeg_decode(bytePointer(data), C.size_t(len(data)), width, height, bytePointer(pixels), C.size_t(stride),
		&message[0]) {
		return damagedJPEG(&message)
	}
	return nil
}

func damagedJPEG(message *[C.PICTURE_MESSAGE]C.char) error {
	return fmt.Errorf("damaged JPEG: %s", strings.TrimPrefix(C.GoString(&message[0]), "Corrupt JPEG data: "))
}

func decodeWebP(data []byte, maxPixels int, dst *gocv.Mat) (exif []byte, err error) {
	if exif, err = webpEXIF(data); err != nil {
		return nil, err
	}
	var width, height C.int
	var animated C.bool
	if !C.webp_size(bytePointer(data), C.size_t(len(data)), &width, &height, &animated) {
		return nil, errors.New("damaged WebP: its header cannot be read")
	}
	if animated {
		return nil, errors.New("an animated WebP is not supported: convert one picture of it to JPEG, PNG or WebP")
	}
	pixels, stride, err := createBGR(int(width), int(height), maxPixels, dst)
	if err != nil {
		return nil, err
	}
	if !C.webp_decode(bytePointer(data), C.size_t(len(data)), bytePointer(pixels), C.size_t(len(pixels)), C.int(stride)) {
		return nil, errors.New("damaged WebP: its pixels cannot be decoded")
	}
	return exif, nil
}

// createBGR allocates dst in this size if maxPixels allows it. It returns the pixels and the bytes from row to row.
func createBGR(width, height, maxPixels int, dst *gocv.Mat) (pixels []byte, stride int, err error) {
	if err := checkSize(width, height, maxPixels); err != nil {
		return nil, 0, err
	}
	if !C.picture_create(unsafe.Pointer(dst.Ptr()), C.int(width), C.int(height)) {
		return nil, 0, errNoMemory
	}
	pixels, err = dst.DataPtrUint8()
	return pixels, width * 3, err
}

func bytePointer(data []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.SliceData(data)) }
