package publish

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	writePiece    = 16 << 10 // bytes that must be accepted within limits.stall
	chunkOverhead = 64       // bytes of memory that a waiting message uses beside its content
	brokerLinger  = time.Second
)

// brokerConn is the connection of one client, as the MQTT server uses it.
//
// The server holds a lock of the client while it writes, and takes that lock to deliver: a write that blocks would stop
// the publisher and with it all other clients. So Write never blocks. It puts the bytes into a buffer that a goroutine
// sends; a client whose buffer is full, or that accepts nothing for limits.stall, is dropped.
//
// The server has other locks that can deadlock when it processes packets of several clients at once. So one packet is
// processed at a time: enter begins the turn of this connection, and SetDeadline, which the server calls before it
// reads the next packet, ends it.
type brokerConn struct {
	net.Conn           // plain TCP, TLS, or one end of a pipe
	raw      net.Conn  // below TLS; its Close never waits
	owner    bool      // the daemon's own
	started  time.Time // start of limits.greeting
	limits   *limits
	waiting  *atomic.Int64 // bytes that wait for all clients
	crowded  func()        // called when waiting is above its limit
	dropped  func(c *brokerConn, why error)
	turn     *sync.Mutex
	held     bool // turn is locked by this connection
	id       atomic.Pointer[string]

	// Used by the reading goroutine only.
	frame    frame
	begun    time.Time // when the open packet began
	idle     time.Time // the server's deadline for the next packet
	accepted bool      // the CONNECT was accepted
	pace     *rate.Limiter
	refuse   *rate.Limiter // rate of refused publishes

	// Used by the server, in the turn of the connection.
	subscribing bool // a SUBSCRIBE is processed
	evicted     bool // its session ends with the connection

	closing chan struct{}
	wake    chan struct{}

	mu     sync.Mutex
	queue  [][]byte
	size   int // bytes of the queue and of what is being sent
	closed bool
	cause  error // reason of the first drop
}

var (
	errSlowBuffer = errors.New("it reads too slowly: its buffer is full")
	errSlowWrite  = errors.New("it reads too slowly: it accepts nothing")
	errSlowAll    = errors.New("it has the largest part of the data that waits for slow clients")
	errSlowRead   = errors.New("it does not complete a packet")
	errGreeting   = errors.New("it does not complete its connection")
)

// Write queues the bytes of one or more packets. It never waits.
func (c *brokerConn) Write(p []byte) (int, error) {
	size := len(p) + chunkOverhead
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	full := c.size+size > c.limits.outbound
	if !full {
		c.queue = append(c.queue, bytes.Clone(p))
		c.size += size
	}
	c.mu.Unlock()
	if full {
		c.drop(errSlowBuffer)
		return 0, errSlowBuffer
	}
	all := c.waiting.Add(int64(size))
	select {
	case c.wake <- struct{}{}:
	default:
	}
	if all > int64(c.limits.outboundAll) {
		c.crowded()
	}
	return len(p), nil
}

// send writes what is queued until the connection is closed and the queue is empty, or a write fails. Then it closes
// the transport.
func (c *brokerConn) send() {
	for {
		chunk, ok := c.next()
		if !ok {
			break
		}
		err := c.sendChunk(chunk)
		c.sent(len(chunk) + chunkOverhead)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.drop(errSlowWrite)
		}
		if err != nil {
			c.abort()
			break
		}
	}
	c.mu.Lock()
	rest := 0
	for _, chunk := range c.queue {
		rest += len(chunk) + chunkOverhead
	}
	c.queue = nil
	c.mu.Unlock()
	c.sent(rest)
	_ = c.Conn.Close()
}

// next waits for something to send.
func (c *brokerConn) next() ([]byte, bool) {
	for {
		c.mu.Lock()
		if len(c.queue) > 0 {
			chunk := c.queue[0]
			c.queue[0] = nil
			c.queue = c.queue[1:]
			c.mu.Unlock()
			return chunk, true
		}
		closed := c.closed
		c.mu.Unlock()
		if closed {
			return nil, false
		}
		select {
		case <-c.wake:
		case <-c.closing:
		}
	}
}

func (c *brokerConn) sendChunk(chunk []byte) error {
	for len(chunk) > 0 {
		if err := c.allowWrite(); err != nil {
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

func (c *brokerConn) allowWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.owner {
		return nil // Close has set the last deadline; the daemon reads in time, or its watchdog ends it
	}
	return c.SetWriteDeadline(time.Now().Add(c.limits.stall))
}

func (c *brokerConn) sent(size int) {
	c.mu.Lock()
	c.size -= size
	c.mu.Unlock()
	c.waiting.Add(-int64(size))
}

// pending returns how many bytes wait.
func (c *brokerConn) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size
}

// Read fails for packets that are too large or take too long, and reads at most limits.packets a second.
func (c *brokerConn) Read(p []byte) (int, error) {
	if err := c.allowRead(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	if c.owner {
		return n, err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.late()
	}
	limit := c.limits.packet
	if !c.accepted {
		limit = c.limits.firstPacket
	}
	before := c.frame.open()
	packets, bad := c.frame.scan(p[:n], limit)
	if bad != nil {
		c.drop(bad)
		return 0, bad
	}
	if packets > 0 || !before {
		c.begun = time.Now()
	}
	c.slow(packets)
	return n, err
}

// late drops a client whose greeting or packet is overdue. The server itself enforces the keep-alive time.
func (c *brokerConn) late() {
	switch {
	case !c.accepted:
		c.drop(errGreeting)
	case c.frame.open():
		c.drop(errSlowRead)
	}
}

func (c *brokerConn) allowRead() error {
	deadline := c.idle
	switch {
	case c.owner:
	case !c.accepted:
		deadline = c.started.Add(c.limits.greeting)
	case c.frame.open():
		deadline = c.begun.Add(c.limits.stall)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	return c.SetReadDeadline(deadline)
}

// slow delays a client that sends packets faster than limits.packets.
func (c *brokerConn) slow(packets int) {
	r := c.pace.ReserveN(time.Now(), min(packets, c.pace.Burst()))
	if wait := r.Delay(); wait > 0 {
		c.pause(wait)
	}
}

// pause waits, and reports false when the connection ends.
func (c *brokerConn) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.closing:
		return false
	}
}

// enter begins the turn of this connection, unless it has begun.
func (c *brokerConn) enter() {
	if !c.held {
		c.turn.Lock()
		c.held = true
	}
}

func (c *brokerConn) leave() {
	if c.held {
		c.held = false
		c.turn.Unlock()
	}
}

// SetDeadline is called by the server, and only by the goroutine that reads, when it is ready for the next packet.
func (c *brokerConn) SetDeadline(t time.Time) error {
	c.leave()
	c.idle = t
	return nil
}

// Close stops reading at once. It ends the connection when all waiting data is sent, or after brokerLinger.
func (c *brokerConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	close(c.closing)
	now := time.Now()
	return errors.Join(c.SetReadDeadline(now), c.SetWriteDeadline(now.Add(brokerLinger)))
}

// abort ends the connection at once.
func (c *brokerConn) abort() {
	_ = c.Close()
	_ = c.raw.Close()
}

// drop ends the connection at once, and reports why.
func (c *brokerConn) drop(why error) {
	c.mu.Lock()
	first := c.cause == nil && !c.closed
	if first {
		c.cause = why
	}
	c.mu.Unlock()
	if first {
		c.dropped(c, why)
	}
	c.abort()
}

// clientID returns the id in the CONNECT of the client, or "" before it was read.
func (c *brokerConn) clientID() string {
	if id := c.id.Load(); id != nil {
		return *id
	}
	return ""
}
