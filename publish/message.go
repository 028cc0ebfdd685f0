package publish

import (
	"bytes"
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
// which is derived here so that it is not stored twice.
func (p *Publisher) messages(item outbox.Item) ([]message, error) {
	all := []message{{p.topics.Face(item.Camera), item.Data}}
	if !item.Replayed && !p.cfg.JPEG {
		return all, nil
	}
	event, err := DecodeEvent(item.Data)
	if err != nil {
		return nil, err
	}
	if item.Replayed {
		event.Replayed = true
		if all[0].payload, err = EncodeEvent(event); err != nil {
			return nil, err
		}
	}
	if p.cfg.JPEG {
		picture, err := asJPEG(event.Image)
		if err != nil {
			return nil, err
		}
		all = append(all, message{p.topics.JPEG(item.Camera), picture})
	}
	return all, nil
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
