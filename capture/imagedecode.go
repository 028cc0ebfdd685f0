package capture

/*
#cgo pkg-config: libjpeg libwebp
#include "imagecodec.h"
#include "opencv.h"
*/
import "C"

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"strings"
	"unsafe"

	"gocv.io/x/gocv"
	"golang.org/x/image/bmp"
)

// decodeImage fills dst from the bytes of an image file; see ReadImage.
func decodeImage(data []byte, maxPixels int, dst *gocv.Mat) error {
	if err := checkFormat(data[:min(len(data), signatureBytes)], ""); err != nil {
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
	return rotateUpright(orientation(exif), dst)
}

func decodeJPEG(data []byte, maxPixels int, dst *gocv.Mat) error {
	var width, height C.int
	var message [C.IMAGE_MESSAGE]C.char
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

func damagedJPEG(message *[C.IMAGE_MESSAGE]C.char) error {
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
		return nil, errors.New("an animated WebP is not supported: convert one image of it to JPEG, PNG or WebP")
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

func decodePNG(data []byte, maxPixels int, dst *gocv.Mat) error {
	config, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return damagedBy("PNG", err)
	}
	if err := checkSize(config.Width, config.Height, maxPixels); err != nil {
		return err
	}
	decoded, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return damagedBy("PNG", err)
	}
	return fillBGR(decoded, maxPixels, dst)
}

func decodeBMP(data []byte, maxPixels int, dst *gocv.Mat) error {
	config, err := bmp.DecodeConfig(bytes.NewReader(data))
	if errors.Is(err, bmp.ErrUnsupported) {
		return errors.New("this kind of BMP (compressed, of 16 bits, or damaged) is not supported: " +
			"convert it to JPEG, PNG or WebP")
	}
	if err != nil {
		return damagedBy("BMP", err)
	}
	if err := checkSize(config.Width, config.Height, maxPixels); err != nil {
		return err
	}
	if err := checkBMPLength(data, config); err != nil {
		return err
	}
	decoded, err := bmp.Decode(bytes.NewReader(data))
	if err != nil {
		return damagedBy("BMP", err)
	}
	return fillBGR(decoded, maxPixels, dst)
}

// checkBMPLength returns an error if a BMP has fewer bytes than its header declares. Call it before memory is
// allocated.
func checkBMPLength(data []byte, config image.Config) error {
	const offsetAt, bitsAt = 10, 28
	if len(data) < bitsAt+2 {
		return damagedBy("BMP", io.ErrUnexpectedEOF)
	}
	offset := int64(binary.LittleEndian.Uint32(data[offsetAt:]))
	bits := int64(binary.LittleEndian.Uint16(data[bitsAt:]))
	row := (int64(config.Width)*bits + 31) / 32 * 4
	if need := offset + row*int64(config.Height); need > int64(len(data)) {
		return fmt.Errorf("damaged BMP: cut short, %d of %d bytes", len(data), need)
	}
	return nil
}

// damagedBy rewords the error of a decoder.
func damagedBy(format string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("damaged %s: cut short", format)
	}
	return fmt.Errorf("damaged %s: %s", format, strings.TrimPrefix(err.Error(), "png: invalid format: "))
}

// fillBGR fills dst with the colours of an image; transparency is ignored.
func fillBGR(src image.Image, maxPixels int, dst *gocv.Mat) error {
	bounds := src.Bounds()
	pixels, stride, err := createBGR(bounds.Dx(), bounds.Dy(), maxPixels, dst)
	if err != nil {
		return err
	}
	for y := range bounds.Dy() {
		row := pixels[y*stride:][:stride]
		switch p := src.(type) {
		case *image.NRGBA:
			fillRow(row, p.Pix[y*p.Stride:])
		case *image.RGBA: // in this type only if every pixel is opaque
			fillRow(row, p.Pix[y*p.Stride:])
		case *image.Gray:
			fillGrey(row, p.Pix[y*p.Stride:])
		default:
			fillAny(row, src, bounds.Min.Y+y)
		}
	}
	return nil
}

// fillRow converts a row from RGBA to BGR.
func fillRow(row, rgba []byte) {
	for x := 0; x < len(row); x, rgba = x+3, rgba[4:] {
		row[x], row[x+1], row[x+2] = rgba[2], rgba[1], rgba[0]
	}
}

// fillGrey converts a row from grey to BGR.
func fillGrey(row, grey []byte) {
	for x := range len(row) / 3 {
		row[3*x], row[3*x+1], row[3*x+2] = grey[x], grey[x], grey[x]
	}
}

// fillAny converts row y of an image of any type to BGR. Of 16 bits it uses the upper 8.
func fillAny(row []byte, src image.Image, y int) {
	left := src.Bounds().Min.X
	for x := range len(row) / 3 {
		c := color.NRGBA64Model.Convert(src.At(left+x, y)).(color.NRGBA64)
		row[3*x], row[3*x+1], row[3*x+2] = byte(c.B>>8), byte(c.G>>8), byte(c.R>>8)
	}
}

// createBGR allocates dst in this size if maxPixels allows it. It returns the pixels, and stride, the bytes of a row.
func createBGR(width, height, maxPixels int, dst *gocv.Mat) (pixels []byte, stride int, err error) {
	if err := checkSize(width, height, maxPixels); err != nil {
		return nil, 0, err
	}
	if !C.mat_create(unsafe.Pointer(dst.Ptr()), C.int(width), C.int(height)) {
		return nil, 0, errNoMemory
	}
	pixels, err = dst.DataPtrUint8()
	return pixels, width * 3, err
}

func bytePointer(data []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.SliceData(data)) }
