package broker

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"facesieve/publish/internal/frame"
)

// linger is how long data may be sent after Close.
const linger = time.Second

var (
	errSlowRead = errors.New("the client does not complete a packet")
	errGreeting = errors.New("the client does not complete its connection")
)

// conn is the connection of one client, as the MQTT server uses it.
//
// The server holds a lock of the client while it writes, and takes that lock to deliver: a write that blocks would stop
// the publisher and with it all other clients. So Write never blocks. It puts the bytes into a buffer that a goroutine
// sends; a client whose buffer is full, or that accepts nothing for limits.stall, is dropped.
//
// The server has other locks that can deadlock when it processes packets of several clients at once. So one packet is
// processed at a time: beginTurn locks Broker.turn for this connection, and SetDeadline, which the server calls before
// it reads the next packet, unlocks it.
type conn struct {
	net.Conn          // plain TCP, TLS, or one end of a pipe
	raw      net.Conn // below TLS; its Close never waits
	broker   *Broker
	owner    bool      // the daemon's own
	started  time.Time // start of limits.greeting
	id       atomic.Pointer[string]

	// Used by the reading goroutine only.
	hasTurn  bool // Broker.turn is locked by this connection
	frame    frame.Scanner
	begun    time.Time // when the open packet began
	idle     time.Time // the server's deadline for the next packet
	accepted bool      // the CONNECT was accepted; listener.mu guards it for other goroutines
	pace     *rate.Limiter
	refuse   *rate.Limiter // rate of refused publishes

	// Used by the server, in the turn of the connection.
	subscribing bool // a SUBSCRIBE is processed
	evicted     bool // its session ends with the connection

	closing chan struct{} // closed by Close

	mu      sync.Mutex
	changed *sync.Cond // the queue has grown, or the connection is closed
	queue   [][]byte
	size    int // bytes of the queue and of what is being sent
	closed  bool
	dropped bool
}

func newConn(b *Broker, raw, transport net.Conn, owner bool) *conn {
	c := &conn{
		Conn: transport, raw: raw, broker: b, owner: owner, accepted: owner, started: time.Now(),
		pace:    rate.NewLimiter(b.limits.packets, int(b.limits.packets)),
		refuse:  rate.NewLimiter(1, refusals),
		closing: make(chan struct{}),
	}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// Read fails for packets that are too large or take too long, and reads at most limits.packets a second.
func (c *conn) Read(p []byte) (int, error) {
	if err := c.setReadDeadline(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	if c.owner {
		return n, err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.dropOverdue()
	}
	limit := c.broker.limits.packet
	if !c.accepted {
		limit = c.broker.limits.firstPacket
	}
	before := c.frame.Open()
	packets, bad := c.frame.Scan(p[:n], limit)
	if bad != nil {
		c.drop(bad)
		return 0, bad
	}
	if packets > 0 || !before {
		c.begun = time.Now()
	}
	c.throttle(packets)
	return n, err
}

func (c *conn) setReadDeadline() error {
	deadline := c.idle
	switch {
	case c.owner:
	case !c.accepted:
		deadline = c.started.Add(c.broker.limits.greeting)
	case c.frame.Open():
		deadline = c.begun.Add(c.broker.limits.stall)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	return c.SetReadDeadline(deadline)
}

// dropOverdue drops a client whose greeting or packet is overdue. The server itself enforces the keep-alive time.
func (c *conn) dropOverdue() {
	switch {
	case !c.accepted:
		c.drop(errGreeting)
	case c.frame.Open():
		c.drop(errSlowRead)
	}
}

// throttle delays a client that sends packets faster than limits.packets.
func (c *conn) throttle(packets int) {
	r := c.pace.ReserveN(time.Now(), min(packets, c.pace.Burst()))
	if wait := r.Delay(); wait > 0 {
		c.pause(wait)
	}
}

// pause waits, and reports false when the connection ends.
func (c *conn) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.closing:
		return false
	}
}

// beginTurn begins the turn of this connection, unless it has begun.
func (c *conn) beginTurn() {
	if !c.hasTurn {
		c.broker.turn.Lock()
		c.hasTurn = true
	}
}

func (c *conn) endTurn() {
	if c.hasTurn {
		c.hasTurn = false
		c.broker.turn.Unlock()
	}
}

// SetDeadline is called by the server, and only by the goroutine that reads, when it is ready for the next packet.
func (c *conn) SetDeadline(t time.Time) error {
	c.endTurn()
	c.idle = t
	return nil
}

// Close stops reading at once. It ends the connection when all waiting data is sent, or after linger.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	close(c.closing)
	c.changed.Signal()
	now := time.Now()
	return errors.Join(c.SetReadDeadline(now), c.SetWriteDeadline(now.Add(linger)))
}

// abort ends the connection at once, and discards what waits to be sent.
func (c *conn) abort() {
	_ = c.Close()
	_ = c.raw.Close()
	c.discard()
}

// drop ends the connection at once, and logs and counts the reason.
func (c *conn) drop(reason error) {
	c.mu.Lock()
	first := !c.dropped && !c.closed
	c.dropped = true
	c.mu.Unlock()
	if first {
		c.reportDrop(reason)
	}
	c.abort()
}

func (c *conn) reportDrop(reason error) {
	c.broker.faults.dropped.report(c.RemoteAddr(), c.clientID(), reason)
}

func (c *conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// clientID returns the id in the CONNECT of the client, or "" before it was read.
func (c *conn) clientID() string {
	if id := c.id.Load(); id != nil {
		return *id
	}
	return ""
}
