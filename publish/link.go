package publish

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"facesieve/publish/internal/frame"
)

const (
	connectTimeout = 10 * time.Second       // for the network, TLS and MQTT together
	writeTimeout   = 30 * time.Second       // for one message: an uplink may be slow
	handover       = 250 * time.Millisecond // for a client to accept a message
	quiesce        = 250 * time.Millisecond // time that a DISCONNECT may take
)

var (
	errLost     = errors.New("connection lost")
	errBusy     = errors.New("the connection is busy with a slow write")
	errNoAnswer = fmt.Errorf("no answer within %v", connectTimeout)
)

// token is the broker's answer to one request. Error is valid once Done is closed.
type token interface {
	Done() <-chan struct{}
	Error() error
}

// grants is the answer to a subscription: the granted quality of service of each filter, above 2 where it was refused.
type grants interface {
	token
	Result() map[string]byte
}

// client is one connection of one version of MQTT.
type client interface {
	// publish queues a message. An error means that the client did not accept it: it is busy, or has ended.
	publish(topic string, qos byte, retained bool, payload []byte) (token, error)
	subscribe(filters map[string]byte) grants
	unsubscribe(filters ...string)
	// end sends DISCONNECT within quiesce, and returns when all goroutines of the client have ended.
	end()
}

// link is one connection to a broker. When it is lost, its owner makes another.
type link struct {
	client
	conn       net.Conn
	chain      []*x509.Certificate // of the broker, verified, its own first; nil without TLS
	hasReasons bool                // an acknowledgement carries a reason, which shows whether the message was refused (MQTT 5)

	explain func(error) error // adds a hint to the reason why the connection has ended
	lost    chan struct{}     // closed when the connection has ended other than by close
	err     error             // the reason, valid once lost is closed
	once    sync.Once
}

// identity is the content of the CONNECT of a link, and the receiver of its messages.
type identity struct {
	clientID string
	sends    bool                                              // the broker must accept retained messages and QoS 1
	will     string                                            // topic of the last will; empty for none
	receive  func(topic string, retained bool, payload []byte) // called for each message; nil for none
	memory   *memory                                           // shared by all links of an owner
}

// connect makes a link, or fails within connectTimeout and as soon as ctx ends. It offers MQTT 5, whose answers carry
// reasons, and MQTT 3.1.1 to a broker that does not accept 5.
func connect(ctx context.Context, cfg Config, id identity) (*link, error) {
	target, err := cfg.target()
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if id.memory == nil {
		id.memory = &memory{}
	}
	dialing, cancel := context.WithTimeoutCause(ctx, connectTimeout, errNoAnswer)
	defer cancel()
	a := &attempt{ctx: dialing, cfg: cfg, id: id, target: target}
	if !id.memory.version3.Load() {
		l, err := a.connect(open5)
		if err == nil {
			id.memory.hangUps.Store(0)
			return l, nil
		}
		if !a.tryVersion3(err) {
			return nil, a.explain(err)
		}
	}
	l, err := a.connect(open3)
	if err != nil {
		return nil, a.explain(err)
	}
	return l, nil
}

// opener makes a client of an open network connection; lost is called when the connection ends.
type opener func(a *attempt, conn net.Conn, lost func(error)) (client, error)

func (a *attempt) connect(open opener) (*link, error) {
	conn, err := a.dial()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(a.ctx, func() { _ = conn.Close() }) // ends the handshake
	l := &link{lost: make(chan struct{}), conn: &pahoConn{Conn: conn}, chain: a.chain, explain: a.explainLoss}
	l.client, err = open(a, l.conn, l.recordLoss)
	ended := !stop()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	_, l.hasReasons = l.client.(*client5)
	if ended {
		l.abort()
		return nil, context.Cause(a.ctx)
	}
	return l, nil
}

// wait waits for the broker's answer to a request.
func (l *link) wait(ctx context.Context, answer token) error {
	select {
	case <-answer.Done():
		return answer.Error()
	case <-l.lost:
		return l.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *link) recordLoss(err error) {
	l.once.Do(func() {
		l.err = fmt.Errorf("%w: %w", errLost, l.explain(err))
		close(l.lost)
	})
}

// close disconnects the client: the broker does not publish the last will.
func (l *link) close() { l.end() }

// abort drops the connection at once: the broker publishes the last will.
func (l *link) abort() {
	_ = l.conn.Close()
	l.end()
}

// maxAnswer bounds a packet that a broker sends, in bytes.
const maxAnswer = 16 << 20

// pahoConn adapts a network connection to the two paho libraries.
//
// Both allocate the announced size of a packet, up to 4 GB, before any of it has arrived. So Read ends the connection
// when the other side announces more than maxAnswer.
//
// Both have one time-out for a write and for the hand-over of a message to their writer. A write may take long, and the
// hand-over must not, so that a dead connection does not block its caller. So Write has a time-out of its own.
type pahoConn struct {
	net.Conn
	frame frame.Scanner
}

// Read must be called by one goroutine only.
func (c *pahoConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if _, fault := c.frame.Scan(p[:n], maxAnswer); fault != nil {
		_ = c.Close()
		return 0, fmt.Errorf("the broker: %w", fault)
	}
	return n, err
}

// Write fails after writeTimeout.
func (c *pahoConn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// SetWriteDeadline ignores the time-out of paho.
func (*pahoConn) SetWriteDeadline(time.Time) error { return nil }
