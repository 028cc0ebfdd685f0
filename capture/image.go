package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"gocv.io/x/gocv"
)

// DefaultMaxPixels is the default limit for width times height of an image or frame.
const DefaultMaxPixels = 40_000_000

// The maximum size of an image file: the largest uncompressed encoding of a pixel, and space for metadata.
const (
	maxBytesPerPixel = 4
	maxMetadataBytes = 16 << 20
)

// imageTooLargeError is the error of an image with more pixels than the limit. The image was not decoded.
type imageTooLargeError struct{ width, height, limit int }

func (e imageTooLargeError) Error() string {
	return fmt.Sprintf("%dx%d pixels are more than the limit of %d (max_pixels)", e.width, e.height, e.limit)
}

// checkSize returns an error if an image of this size must not be decoded.
func checkSize(width, height, maxPixels int) error {
	if width <= 0 || height <= 0 {
		return fmt.Errorf("damaged: its header declares %dx%d pixels", width, height)
	}
	if height > maxPixels/width {
		return imageTooLargeError{width, height, maxPixels}
	}
	return nil
}

// ReadImage fills dst (8-bit BGR, rotated upright by its EXIF data) from a JPEG, PNG, WebP or BMP file with any file
// extension. An image with more than maxPixels pixels is not decoded. For an image that is damaged or cut short it
// returns an error, and the pixels in dst are undefined. A JPEG of one scan that lacks only its end marker counts as
// complete. Errors do not contain the path. For any other than a regular file it returns an error, and does not block.
func ReadImage(path string, maxPixels int, dst *gocv.Mat) error {
	data, err := readImageFile(path, maxPixels)
	if err != nil {
		return err
	}
	return decodeImage(data, maxPixels, dst)
}

// readImageFile returns the content of an image file. It reads only the beginning of a file that is not an image.
func readImageFile(path string, maxPixels int) ([]byte, error) {
	file, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	limit := int64(maxPixels)*maxBytesPerPixel + maxMetadataBytes
	switch {
	case size == 0:
		return nil, errors.New("the file is empty")
	case size > limit:
		return nil, fmt.Errorf("the file has %d MiB, more than an image within max_pixels can have", size>>20)
	}
	head := make([]byte, min(size, signatureBytes))
	if _, err := file.ReadAt(head, 0); err != nil {
		return nil, readFault(err)
	}
	if err := checkFormat(head, path); err != nil {
		return nil, err
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(file, data); err != nil {
		return nil, readFault(err)
	}
	return data, nil
}

// openRegular opens a regular file. It does not open a pipe or a device, because that can block or have side effects.
func openRegular(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, readFault(err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s, not a file", fileKind(info.Mode()))
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the user names the file
	if err != nil {
		return nil, 0, readFault(err)
	}
	info, err = file.Stat()
	if err == nil && !info.Mode().IsRegular() { // the file was replaced in the meantime
		err = fmt.Errorf("%s, not a file", fileKind(info.Mode()))
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// readFault returns an error of os without the path, because the caller adds the name of the file.
func readFault(err error) error {
	if err = cause(err); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the file became shorter")
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// fileKind returns a noun for a file that is not a regular file.
func fileKind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}

// signatureBytes is the number of bytes of a file by which its format is recognised.
const signatureBytes = 32

// imageFormat is the usual name of an image format.
type imageFormat string

const (
	formatJPEG imageFormat = "JPEG"
	formatPNG  imageFormat = "PNG"
	formatWebP imageFormat = "WebP"
	formatBMP  imageFormat = "BMP"
)

// imageExtensions returns the file extensions of the supported formats.
func imageExtensions() []string {
	return []string{".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp"}
}

// unsupportedExtensions returns the file extensions of formats that are not supported, with these formats.
func unsupportedExtensions() map[string]imageFormat {
	return map[string]imageFormat{
		".heic": "HEIC", ".heif": "HEIC", ".hif": "HEIC", ".avif": "AVIF", ".tif": "TIFF", ".tiff": "TIFF", ".gif": "GIF",
		".jxl": "JPEG XL", ".jp2": "JPEG 2000", ".psd": "PSD", ".svg": "SVG", ".dng": "raw", ".cr2": "raw", ".cr3": "raw",
		".nef": "raw", ".arw": "raw", ".orf": "raw", ".rw2": "raw", ".raf": "raw",
	}
}

// signature is the first bytes of the files of a format; a dot matches any byte.
type signature struct {
	format imageFormat
	bytes  string
}

func signatures() []signature {
	return []signature{
		{formatJPEG, "\xff\xd8\xff"},
		{formatPNG, "\x89PNG\r\n\x1a\n"},
		{formatWebP, "RIFF....WEBP"},
		{formatBMP, "BM....\x00\x00\x00\x00"},
		{"GIF", "GIF8"},
		{"TIFF", "II*\x00"},
		{"TIFF", "MM\x00*"},
		{"TIFF", "II+\x00"},
		{"TIFF", "MM\x00+"},
		{"AVIF", "....ftypavi"},
		{"HEIC", "....ftyphe"},
		{"HEIC", "....ftypmif1"},
		{"HEIC", "....ftypmsf1"},
		{"raw", "....ftypcrx"},
		{"JPEG XL", "\x00\x00\x00\x0cJXL "},
		{"JPEG XL", "\xff\x0a"},
		{"JPEG 2000", "\x00\x00\x00\x0cjP  "},
		{"JPEG 2000", "\xff\x4f\xff\x51"},
		{"PSD", "8BPS"},
	}
}

func (s signature) matches(head []byte) bool {
	if len(head) < len(s.bytes) {
		return false
	}
	for i := range len(s.bytes) {
		if s.bytes[i] != '.' && s.bytes[i] != head[i] {
			return false
		}
	}
	return true
}

// formatOf returns the format that the first bytes of a file identify, or "".
func formatOf(head []byte) imageFormat {
	for _, s := range signatures() {
		if s.matches(head) {
			return s.format
		}
	}
	return ""
}

// checkFormat returns an error if a file that begins with head is not an image of a supported format. If head does not
// identify the format, the file extension of name does.
func checkFormat(head []byte, name string) error {
	format := formatOf(head)
	if format == "" {
		format = unsupportedExtensions()[extension(name)]
	}
	switch format {
	case formatJPEG, formatPNG, formatWebP, formatBMP:
		return nil
	case "":
		if len(bytes.Trim(head, "\x00")) == 0 {
			return errors.New("not an image: the file contains only zeros; it was lost, or not written to its end")
		}
		return errors.New("not an image: JPEG, PNG, WebP and BMP can be read")
	default:
		return fmt.Errorf("%s is not supported: convert it to JPEG, PNG or WebP", format)
	}
}

// IsImageFile reports whether a file is an image, by its file extension or, with another extension, by its first bytes.
// ReadImage may not support its format. If it is not a regular file, only the extension is used.
func IsImageFile(path string) bool {
	switch extension := extension(path); {
	case slices.Contains(imageExtensions(), extension), unsupportedExtensions()[extension] != "":
		return true
	case extension == ".mjpg", extension == ".mjpeg": // a video: a sequence of JPEGs
		return false
	}
	file, size, err := openRegular(path)
	if err != nil {
		return false
	}
	defer file.Close() //nolint:errcheck // only read
	head := make([]byte, min(size, signatureBytes))
	_, err = file.ReadAt(head, 0)
	return err == nil && formatOf(head) != ""
}

func extension(path string) string { return strings.ToLower(filepath.Ext(path)) }
