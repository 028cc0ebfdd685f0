package publish

import (
	"fmt"
	"net"
)

// maxAnswer bounds a packet that a broker sends, in bytes.
const maxAnswer = 16 << 20

// boundedConn ends a connection whose other side announces a packet above maxAnswer. Both versions of paho allocate what is
// announced, up to 4 GB, before anything of it has arrived.
type boundedConn struct {
	net.Conn
	frame frame
}

// Read is for one goroutine.
func (c *boundedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if _, fault := c.frame.scan(p[:n], maxAnswer); fault != nil {
		_ = c.Close()
		return 0, fmt.Errorf("the broker: %w", fault)
	}
	return n, err
}
