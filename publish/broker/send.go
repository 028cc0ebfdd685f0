package broker

import (
	"bytes"
	"errors"
	"net"
	"os"
	"time"
)

const (
	writePiece    = 16 << 10 // bytes that must be accepted within limits.stall
	chunkOverhead = 64       // bytes of memory that a waiting message uses beside its content
)

var (
	errSlowBuffer = errors.New("the client reads too slowly: its send buffer is full")
	errSlowWrite  = errors.New("the client reads too slowly: it accepts nothing")
	errSlowAll    = errors.New("too much data waits for slow clients: this client has most of it")
)

// Write queues the bytes of one or more packets. It never waits.
func (c *conn) Write(p []byte) (int, error) {
	size := len(p) + chunkOverhead
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	full := c.size+size > c.broker.limits.outbound
	if !full {
		c.queue = append(c.queue, bytes.Clone(p))
		c.size += size
	}
	c.mu.Unlock()
	if full {
		c.drop(errSlowBuffer)
		return 0, errSlowBuffer
	}
	c.changed.Signal()
	if all := c.broker.waiting.Add(int64(size)); all > int64(c.broker.limits.outboundAll) {
		c.broker.listener.dropLargest()
	}
	return len(p), nil
}

// send writes what is queued until the connection is closed and the queue is empty, or a write fails. Then it closes
// the transport.
func (c *conn) send() {
	for {
		chunk, ok := c.next()
		if !ok {
			break
		}
		err := c.sendChunk(chunk)
		c.release(len(chunk) + chunkOverhead)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.drop(errSlowWrite)
		}
		if err != nil {
			c.abort()
			break
		}
	}
	_ = c.Conn.Close()
}

// next waits for something to send. It returns false when the connection is closed and the queue is empty.
func (c *conn) next() (chunk []byte, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 {
		if c.closed {
			return nil, false
		}
		c.changed.Wait()
	}
	chunk, c.queue[0] = c.queue[0], nil
	c.queue = c.queue[1:]
	return chunk, true
}

func (c *conn) sendChunk(chunk []byte) error {
	for len(chunk) > 0 {
		if err := c.setWriteDeadline(); err != nil {
			return err
		}
		n, err := c.Conn.Write(chunk[:min(len(chunk), writePiece)])
		if err != nil {
			return err
		}
		chunk = chunk[n:]
	}
	return nil
}

func (c *conn) setWriteDeadline() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.owner {
		return nil // Close has set the last deadline; the daemon reads in time, or its watchdog ends it
	}
	return c.SetWriteDeadline(time.Now().Add(c.broker.limits.stall))
}

// discard empties the queue of a closed connection, so that its memory no longer counts.
func (c *conn) discard() {
	c.mu.Lock()
	size := 0
	for _, chunk := range c.queue {
		size += len(chunk) + chunkOverhead
	}
	c.queue = nil
	c.mu.Unlock()
	c.release(size)
}

// release subtracts bytes that no longer wait.
func (c *conn) release(size int) {
	c.mu.Lock()
	c.size -= size
	c.mu.Unlock()
	c.broker.waiting.Add(-int64(size))
}

// pending returns how many bytes wait.
func (c *conn) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size
}
