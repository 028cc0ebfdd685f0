package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"gocv.io/x/gocv"
)

// exifPrefix precedes the EXIF data in a JPEG, and in some WebPs.
const exifPrefix = "Exif\x00\x00"

// orientation returns the orientation in EXIF data, 1 to 8 as in EXIF 2.32, section 4.6.4; 1, upright, if the data has
// none.
func orientation(exif []byte) int {
	exif = bytes.TrimPrefix(exif, []byte(exifPrefix))
	if len(exif) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(exif[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	start := uint64(order.Uint32(exif[4:])) // of the first directory
	if start+2 > uint64(len(exif)) {
		return 1
	}
	const tagOrientation, entryBytes = 0x0112, 12
	count := int(order.Uint16(exif[start:]))
	for entry := exif[start+2:]; count > 0 && len(entry) >= entryBytes; entry, count = entry[entryBytes:], count-1 {
		if order.Uint16(entry) == tagOrientation {
			return orientationValue(order, entry)
		}
	}
	return 1
}

// orientationValue returns the value of a directory entry. It is a SHORT, but some programs write a LONG.
func orientationValue(order binary.ByteOrder, entry []byte) int {
	const typeShort, typeLong = 3, 4
	value := uint32(0)
	switch order.Uint16(entry[2:]) {
	case typeShort:
		value = uint32(order.Uint16(entry[8:]))
	case typeLong:
		value = order.Uint32(entry[8:])
	}
	if value < 1 || value > 8 {
		return 1
	}
	return int(value)
}

// rotateUpright rotates and mirrors an image with this orientation, so that it is upright.
func rotateUpright(orientation int, m *gocv.Mat) error {
	const vertical, horizontal, both, none = 0, 1, -1, 2 // codes of cv::flip, and one for no flip
	flip := [9]int{none, none, horizontal, both, vertical, none, horizontal, both, vertical}[orientation]
	if orientation >= 5 {
		transposed := gocv.NewMat()
		if err := gocv.Transpose(*m, &transposed); err != nil {
			return errors.Join(fmt.Errorf("transpose the image: %w", err), transposed.Close())
		}
		before := *m
		*m = transposed
		if err := before.Close(); err != nil {
			return fmt.Errorf("free the image: %w", err)
		}
	}
	if flip == none {
		return nil
	}
	if err := gocv.Flip(*m, m, flip); err != nil {
		return fmt.Errorf("flip the image: %w", err)
	}
	return nil
}

// jpegEXIF returns the EXIF data of a JPEG: the first APP1 segment with EXIF data before the first scan.
func jpegEXIF(data []byte) []byte {
	const start, fill, app1, scan, end = 0xd8, 0xff, 0xe1, 0xda, 0xd9
	for data = data[2:]; len(data) >= 4 && data[0] == fill; {
		marker := data[1]
		if marker == fill { // any number of fill bytes may precede a marker
			data = data[1:]
			continue
		}
		if marker == scan || marker == end || marker == start {
			return nil
		}
		length := int(binary.BigEndian.Uint16(data[2:]))
		if length < 2 || 2+length > len(data) {
			return nil
		}
		if segment := data[4 : 2+length]; marker == app1 && bytes.HasPrefix(segment, []byte(exifPrefix)) {
			return segment
		}
		data = data[2+length:]
	}
	return nil
}

// pngEXIF returns the content of the eXIf chunk of a PNG.
func pngEXIF(data []byte) []byte {
	const signatureLength, frame = 8, 12 // length, type and checksum of a chunk
	for data = data[signatureLength:]; len(data) >= frame; {
		length := uint64(binary.BigEndian.Uint32(data))
		if length+frame > uint64(len(data)) {
			return nil
		}
		if string(data[4:8]) == "eXIf" {
			return data[8 : 8+length]
		}
		data = data[length+frame:]
	}
	return nil
}

// webpEXIF checks that the chunks of a WebP are complete, and returns the content of the first chunk with EXIF data.
func webpEXIF(data []byte) (exif []byte, err error) {
	const header, frame = 12, 8 // RIFF, size, WEBP; type and size of a chunk
	declared := uint64(binary.LittleEndian.Uint32(data[4:])) + frame
	if declared > uint64(len(data)) {
		return nil, fmt.Errorf("damaged WebP: cut short, %d of %d bytes", len(data), declared)
	}
	if declared < header {
		return nil, errors.New("damaged WebP: its header contains no size")
	}
	for data = data[header:declared]; len(data) >= frame; {
		length := uint64(binary.LittleEndian.Uint32(data[4:]))
		if length+frame > uint64(len(data)) {
			return nil, errors.New("damaged WebP: a chunk is longer than the file")
		}
		if string(data[:4]) == "EXIF" && exif == nil {
			exif = data[frame : frame+length]
		}
		data = data[min(frame+length+length%2, uint64(len(data))):]
	}
	return exif, nil
}
