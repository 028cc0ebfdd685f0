package publish

import "errors"

var (
	errPacketLength = errors.New("the length of a packet is malformed")
	errPacketSize   = errors.New("a packet is too large")
)

// frame finds the boundaries of MQTT control packets in a byte stream. A packet is one byte of type and flags, one to
// four bytes of length (seven bits each, the lowest first), and a body of that length.
type frame struct {
	stage  frameStage
	length int
	shift  uint
	left   int // bytes of the body still to come
}

type frameStage uint8

const (
	frameType frameStage = iota
	frameLength
	frameBody
)

// scan reads the next bytes of the stream. It returns how many packets they complete, or an error when a packet has
// more than limit bytes or no valid length.
func (f *frame) scan(p []byte, limit int) (packets int, err error) {
	for len(p) > 0 {
		switch f.stage {
		case frameType:
			*f = frame{stage: frameLength}
			p = p[1:]
			continue
		case frameLength:
			if err := f.digit(p[0], limit); err != nil {
				return packets, err
			}
			p = p[1:]
		case frameBody:
			n := min(f.left, len(p))
			f.left -= n
			p = p[n:]
		}
		if f.stage == frameBody && f.left == 0 {
			f.stage = frameType
			packets++
		}
	}
	return packets, nil
}

// digit processes one byte of the length.
func (f *frame) digit(b byte, limit int) error {
	const digits, more, last = 7, 0x80, 21
	f.length |= int(b&^more) << f.shift
	if f.length > limit {
		return errPacketSize
	}
	if b&more == 0 {
		f.stage, f.left = frameBody, f.length
		return nil
	}
	if f.shift == last {
		return errPacketLength
	}
	f.shift += digits
	return nil
}

// open reports whether a packet has begun and is not complete.
func (f *frame) open() bool { return f.stage != frameType }
