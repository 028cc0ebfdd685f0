package capture

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"gocv.io/x/gocv"
)

// DefaultMaxPixels is the default limit for the size of a picture, width times height.
const DefaultMaxPixels = 40_000_000

// The maximum size of a picture file: the largest uncompressed encoding of a pixel, and space for metadata.
const (
	maxBytesPerPixel = 4
	maxMetadataBytes = 16 << 20
)

// PictureTooLargeError is a picture with more pixels than the limit. It was not decoded.
type PictureTooLargeError struct {
	Width, Height int // pixels
	Limit         int // pixels
}

func (e PictureTooLargeError) Error() string {
	return fmt.Sprintf("%dx%d pixels are more than the limit of %d (max_pixels)", e.Width, e.Height, e.Limit)
}

// checkSize returns an error if a picture of this size must not be decoded.
func checkSize(width, height, maxPixels int) error {
	if width <= 0 || height <= 0 {
		return fmt.Errorf("damaged: a header of %dx%d pixels", width, height)
	}
	if height > maxPixels/width {
		return PictureTooLargeError{Width: width, Height: height, Limit: maxPixels}
	}
	return nil
}

// ReadPicture fills dst (8-bit BGR, rotated upright by its EXIF data) from a JPEG, PNG, WebP or BMP file with any file
// extension. A picture with more than maxPixels pixels is not decoded. For a picture that is damaged or cut short it
// returns an error, and the pixels in dst are undefined. A JPEG of one scan that lacks only its end marker counts as
// complete. Errors do not contain the path. Anything except a regular file is an error, without blocking.
func ReadPicture(path string, maxPixels int, dst *gocv.Mat) error {
	data, err := readPictureFile(path, maxPixels)
	if err != nil {
		return err
	}
	return decodePicture(data, maxPixels, dst)
}

// readPictureFile returns the content of a picture file. It reads only the beginning of a file that is not a picture.
func readPictureFile(path string, maxPixels int) ([]byte, error) {
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
		return nil, fmt.Errorf("the file has %d MiB, more than a picture within max_pixels can have", size>>20)
	}
	head := make([]byte, min(size, signatureBytes))
	if _, err := file.ReadAt(head, 0); err != nil {
		return nil, readFault(err)
	}
	if err := supported(head, path); err != nil {
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

// readFault shortens an error to its cause, because the caller adds the name of the file.
func readFault(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
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
