// Package frame finds the boundaries of MQTT control packets in a byte stream, so that both sides of a connection can
// bound the size of a packet before memory is allocated for it.
package frame

import "errors"

var (
	// ErrLength is returned for a packet whose length field has more than four bytes.
	ErrLength = errors.New("the length of a packet is malformed")
	// ErrSize is returned for a packet above the limit.
	ErrSize = errors.New("a packet is too large")
)

// Scanner holds the position within the stream. Its zero value is at the start of a packet.
//
// A packet is one byte of type and flags, one to four bytes of length (seven bits each, the lowest first), and a body
// of that length.
type Scanner struct {
	stage  stage
	length int
	shift  uint
	left   int // bytes of the body still to come
}

type stage uint8

const (
	stageType stage = iota
	stageLength
	stageBody
)

// Scan reads the next bytes of the stream. It returns how many packets they complete, or an error when the length of a
// packet is above limit bytes or malformed.
func (s *Scanner) Scan(p []byte, limit int) (packets int, err error) {
	for len(p) > 0 {
		switch s.stage {
		case stageType:
			*s = Scanner{stage: stageLength}
			p = p[1:]
			continue
		case stageLength:
			if err := s.addDigit(p[0], limit); err != nil {
				return packets, err
			}
			p = p[1:]
		case stageBody:
			n := min(s.left, len(p))
			s.left -= n
			p = p[n:]
		}
		if s.stage == stageBody && s.left == 0 {
			s.stage = stageType
			packets++
		}
	}
	return packets, nil
}

// addDigit processes one byte of the length.
func (s *Scanner) addDigit(b byte, limit int) error {
	const digits, more, last = 7, 0x80, 21
	s.length |= int(b&^more) << s.shift
	if s.length > limit {
		return ErrSize
	}
	if b&more == 0 {
		s.stage, s.left = stageBody, s.length
		return nil
	}
	if s.shift == last {
		return ErrLength
	}
	s.shift += digits
	return nil
}

// Open reports whether a packet has begun and is not complete.
func (s *Scanner) Open() bool { return s.stage != stageType }
