package capture

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

	"gocv.io/x/gocv"
	"golang.org/x/image/bmp"
)

func decodePNG(data []byte, maxPixels int, dst *gocv.Mat) error {
	config, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return damagedBy("PNG", err)
	}
	if err := checkSize(config.Width, config.Height, maxPixels); err != nil {
		return err
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return damagedBy("PNG", err)
	}
	return fillBGR(picture, maxPixels, dst)
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
	picture, err := bmp.Decode(bytes.NewReader(data))
	if err != nil {
		return damagedBy("BMP", err)
	}
	return fillBGR(picture, maxPixels, dst)
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

// damagedBy returns the error of a decoder in the wording of this package.
func damagedBy(format string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("damaged %s: cut short", format)
	}
	return fmt.Errorf("damaged %s: %s", format, strings.TrimPrefix(err.Error(), "png: invalid format: "))
}

// fillBGR fills dst with the colours of a picture; transparency is ignored.
func fillBGR(picture image.Image, maxPixels int, dst *gocv.Mat) error {
	bounds := picture.Bounds()
	pixels, stride, err := createBGR(bounds.Dx(), bounds.Dy(), maxPixels, dst)
	if err != nil {
		return err
	}
	for y := range bounds.Dy() {
		row := pixels[y*stride:][:stride]
		switch p := picture.(type) {
		case *image.NRGBA:
			fillRow(row, p.Pix[y*p.Stride:])
		case *image.RGBA: // in this type only if every pixel is opaque
			fillRow(row, p.Pix[y*p.Stride:])
		case *image.Gray:
			fillGrey(row, p.Pix[y*p.Stride:])
		default:
			fillAny(row, picture, bounds.Min.Y+y)
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

// fillAny converts row y of a picture of any type to BGR. Of 16 bits it uses the upper 8.
func fillAny(row []byte, picture image.Image, y int) {
	left := picture.Bounds().Min.X
	for x := range len(row) / 3 {
		c := color.NRGBA64Model.Convert(picture.At(left+x, y)).(color.NRGBA64) //nolint:forcetypeassert // the model's type
		row[3*x], row[3*x+1], row[3*x+2] = byte(c.B>>8), byte(c.G>>8), byte(c.R>>8)
	}
}
