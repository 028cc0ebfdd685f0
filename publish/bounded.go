package publish

import (
	"fmt"
	"net"
)

// maxAnswer bounds a packet that a broker sends, in bytes.
const maxAnswer = 16 << 20

// boundedConn ends a connection whose other side announces a packet above maxAnswer. Both paho libraries allocate the
// announced size, up to 4 GB, before any of it has arrived.
type boundedConn struct {
	net.Conn
	frame frame
}

// Read must be called by one goroutine only.
func (c *boundedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if _, fault := c.frame.scan(p[:n], maxAnswer); fault != nil {
		_ = c.Close()
		return 0, fmt.Errorf("the broker: %w", fault)
	}
	return n, err
}
