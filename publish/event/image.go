package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"image/png"
)

// jpegQuality is that of an image that was encoded as PNG.
const jpegQuality = 90

// MarkReplayed sets the field replayed of an encoded face to true. The face may have another version; all other fields
// keep their values.
func MarkReplayed(face []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(face, &fields); err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	if fields == nil {
		return nil, errors.New("event: null, not an object")
	}
	fields["replayed"] = json.RawMessage("true")
	marked, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	return marked, nil
}

// ImageAsJPEG returns the image of an encoded face, which may have another version. An image that is JPEG already is
// returned byte for byte.
func ImageAsJPEG(face []byte) ([]byte, error) {
	var f struct {
		Image Image `json:"image"`
	}
	if err := json.Unmarshal(face, &f); err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	if f.Image.Encoding == JPEG {
		return f.Image.Data, nil
	}
	decoded, err := png.Decode(bytes.NewReader(f.Image.Data))
	if err != nil {
		return nil, fmt.Errorf("event: image.data: %w", err)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, decoded, &jpeg.Options{Quality: jpegQuality}); err != nil {
		return nil, fmt.Errorf("event: image.data: %w", err)
	}
	return out.Bytes(), nil
}
