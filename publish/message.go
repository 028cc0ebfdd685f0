package publish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"image/png"

	"facesieve/publish/outbox"
)

// message is what a topic is told.
type message struct {
	topic   string
	payload []byte
}

// messages makes of an event in the outbox what is sent of it: the event, and the plain picture if that is configured,
// which is derived here so that it is not stored twice. The event may be of an earlier version of this program: whatever
// its schema, it is sent as it was accepted, and only marked as replayed.
func (p *Publisher) messages(item outbox.Item) ([]message, error) {
	all := []message{{p.topics.Face(item.Camera), item.Data}}
	if !item.Replayed && !p.cfg.JPEG {
		return all, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(item.Data, &fields); err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	if item.Replayed {
		fields["replayed"] = json.RawMessage("true")
		payload, err := json.Marshal(fields)
		if err != nil {
			return nil, fmt.Errorf("event: %w", err)
		}
		all[0].payload = payload
	}
	if p.cfg.JPEG {
		picture, err := pictureOf(fields["image"])
		if err != nil {
			return nil, err
		}
		all = append(all, message{p.topics.JPEG(item.Camera), picture})
	}
	return all, nil
}

// pictureOf returns the picture in the image field of an event as JPEG.
func pictureOf(field json.RawMessage) ([]byte, error) {
	var image Image
	if err := json.Unmarshal(field, &image); err != nil {
		return nil, fmt.Errorf("event: image: %w", err)
	}
	return asJPEG(image)
}

// asJPEG returns the picture as JPEG, the very bytes where it is one already.
func asJPEG(i Image) ([]byte, error) {
	if i.Encoding == JPEG {
		return i.Data, nil
	}
	picture, err := png.Decode(bytes.NewReader(i.Data))
	if err != nil {
		return nil, fmt.Errorf("event: image.data: %w", err)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, picture, &jpeg.Options{Quality: 90}); err != nil {
		return nil, fmt.Errorf("event: image.data: %w", err)
	}
	return out.Bytes(), nil
}
