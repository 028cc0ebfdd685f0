package capture

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// signatureBytes is the number of bytes of a file that are used to recognise its format.
const signatureBytes = 32

// pictureFormat is the usual name of a picture format.
type pictureFormat string

const (
	formatJPEG pictureFormat = "JPEG"
	formatPNG  pictureFormat = "PNG"
	formatWebP pictureFormat = "WebP"
	formatBMP  pictureFormat = "BMP"
)

// pictureExtensions returns the file extensions of the supported formats.
func pictureExtensions() []string {
	return []string{".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp"}
}

// foreignExtensions returns the file extensions of formats that are not supported, with these formats.
func foreignExtensions() map[string]pictureFormat {
	return map[string]pictureFormat{
		".heic": "HEIC", ".heif": "HEIC", ".hif": "HEIC", ".avif": "AVIF", ".tif": "TIFF", ".tiff": "TIFF", ".gif": "GIF",
		".jxl": "JPEG XL", ".jp2": "JPEG 2000", ".psd": "PSD", ".svg": "SVG", ".dng": "raw", ".cr2": "raw", ".cr3": "raw",
		".nef": "raw", ".arw": "raw", ".orf": "raw", ".rw2": "raw", ".raf": "raw",
	}
}

// signature is the first bytes of the files of a format; a dot matches any byte.
type signature struct {
	format pictureFormat
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
func formatOf(head []byte) pictureFormat {
	for _, s := range signatures() {
		if s.matches(head) {
			return s.format
		}
	}
	return ""
}

// supported returns nil if a picture that begins with head can be read, and otherwise the reason. If head does not
// identify the format, the file extension is used.
func supported(head []byte, name string) error {
	format := formatOf(head)
	if format == "" {
		format = foreignExtensions()[extension(name)]
	}
	switch format {
	case formatJPEG, formatPNG, formatWebP, formatBMP:
		return nil
	case "":
		if len(bytes.Trim(head, "\x00")) == 0 {
			return errors.New("not a picture: the file holds zeros; it was lost, or not written to its end")
		}
		return errors.New("not a picture: JPEG, PNG, WebP and BMP can be read")
	default:
		return fmt.Errorf("%s is not supported: convert it to JPEG, PNG or WebP", format)
	}
}

// IsPicture reports whether a file is a picture, by its file extension or, with another extension, by its first bytes.
// ReadPicture may not support its format. If it is not a regular file, only the extension is used.
func IsPicture(path string) bool {
	if namedPicture(path) {
		return true
	}
	if slices.Contains([]string{".mjpg", ".mjpeg"}, extension(path)) { // a video: a sequence of JPEGs
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

// namedPicture reports whether a name has the file extension of a picture.
func namedPicture(path string) bool {
	return slices.Contains(pictureExtensions(), extension(path)) || foreignExtensions()[extension(path)] != ""
}

func extension(path string) string { return strings.ToLower(filepath.Ext(path)) }
