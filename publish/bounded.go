package publish

import (
	"fmt"
	"net"
)

const (
	maxAnswer = 16 << 20 // bytes of a packet that a broker may send
	maxDigits = 4        // bytes of the length of a packet
)

// boundedConn ends a connection whose other side announces a packet above maxAnswer. Both versions of paho allocate what is
// announced, up to 4 GB, before anything of it has arrived.
type boundedConn struct {
	net.Conn
	frame frame
}

// Read is for one goroutine.
func (c *boundedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if fault := c.frame.follow(p[:n]); fault != nil {
		_ = c.Close()
		return 0, fault
	}
	return n, err
}

// frame is the place in a stream of packets, each a byte of type, one to four of length, seven bits each with the lowest
// first, and the content.
type frame struct {
	inLength bool
	digits   int
	length   int // so far
	left     int // bytes of the content
}

func (f *frame) follow(p []byte) error {
	for len(p) > 0 {
		switch {
		case f.left > 0:
			n := min(f.left, len(p))
			f.left, p = f.left-n, p[n:]
			continue
		case !f.inLength:
			f.inLength, f.digits, f.length = true, 0, 0
		default:
			if err := f.digit(p[0]); err != nil {
				return err
			}
		}
		p = p[1:]
	}
	return nil
}

func (f *frame) digit(b byte) error {
	f.length |= int(b&0x7f) << (7 * f.digits)
	f.digits++
	if b&0x80 != 0 {
		if f.digits == maxDigits {
			return fmt.Errorf("not MQTT: the length of a packet has more than %d bytes", maxDigits)
		}
		return nil
	}
	if f.length > maxAnswer {
		return fmt.Errorf("the broker sends a packet of %d bytes, more than %d", f.length, maxAnswer)
	}
	f.inLength, f.left = false, f.length
	return nil
}
