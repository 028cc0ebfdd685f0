package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

const acceptPause = 100 * time.Millisecond // after a failed accept, as when no file descriptor is left

var (
	errTooManyConnections = errors.New("too many connections from this address")
	errTooManyUnfinished  = errors.New("too many connections are not complete: this is the oldest")
	errEnded              = errors.New("the embedded broker has ended")
)

// listener accepts the connections of clients, and creates those of the daemon. Unlike mochi's own listeners it bounds
// connections (see limits), and survives a failed accept and a panic of the server. Its Close ends all clients,
// including those that are not registered in the server yet, and waits for them.
type listener struct {
	broker *Broker
	inner  net.Listener
	secure *tls.Config // nil for plain TCP
	rates  *addresses

	group     sync.WaitGroup // Serve, and each client
	establish listeners.EstablishFn
	serving   chan struct{} // closed once establish is set

	mu    sync.Mutex
	conns map[*conn]struct{}
	ended bool
}

func newListener(b *Broker, inner net.Listener, secure *tls.Config) *listener {
	l := &listener{
		broker: b, inner: inner, secure: secure, rates: newAddresses(b.limits.connections, b.limits.burst),
		conns: map[*conn]struct{}{}, serving: make(chan struct{}),
	}
	l.group.Add(1) // Serve
	return l
}

// Init has nothing to do.
func (l *listener) Init(*slog.Logger) error { return nil }

// ID is the listener's name within the server.
func (l *listener) ID() string { return "mqtt" }

// Address is host and port.
func (l *listener) Address() string { return l.inner.Addr().String() }

// Protocol is tcp.
func (l *listener) Protocol() string { return "tcp" }

// Serve hands clients to the server until Close. The server calls it once.
func (l *listener) Serve(establish listeners.EstablishFn) {
	defer l.group.Done()
	l.establish = establish
	close(l.serving)
	for {
		raw, err := l.inner.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			l.broker.log.Warn().Err(err).Msg("embedded broker cannot accept a connection")
			time.Sleep(acceptPause)
			continue
		}
		if !l.rates.of(raw.RemoteAddr()).Allow() {
			l.broker.faults.refused.report(raw.RemoteAddr(), "", errTooManyConnections)
			_ = raw.Close()
			continue
		}
		l.start(raw, false)
	}
}

// dial returns a connection that stays inside the program, and that counts as the daemon's own.
func (l *listener) dial() (net.Conn, error) {
	client, server := net.Pipe()
	if !l.start(server, true) {
		_ = client.Close()
		return nil, errEnded
	}
	return client, nil
}

// start serves a connection, unless the listener has ended.
func (l *listener) start(raw net.Conn, owner bool) bool {
	transport := raw
	if l.secure != nil && !owner {
		transport = tls.Server(raw, l.secure)
	}
	c := newConn(l.broker, raw, transport, owner)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		_ = raw.Close()
		return false
	}
	if !owner {
		l.dropUnfinished()
	}
	l.conns[c] = struct{}{}
	l.group.Go(func() { l.serve(c) })
	return true
}

// dropUnfinished drops the oldest connection whose CONNECT is not accepted, if there are limits.unfinished of them. The
// caller holds mu.
func (l *listener) dropUnfinished() {
	unfinished := l.open(false)
	if len(unfinished) >= l.broker.limits.unfinished {
		slices.MinFunc(unfinished, func(a, b *conn) int { return a.started.Compare(b.started) }).drop(errTooManyUnfinished)
	}
}

// admit accepts a client whose CONNECT is valid, if fewer than limits.clients are connected. A client that replaces its
// own former connection is always admitted.
func (l *listener) admit(c *conn, replaces bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open(true)) >= l.broker.limits.clients && !replaces {
		return false
	}
	c.accepted = true
	return true
}

// open returns the open connections of clients whose CONNECT is accepted, or is not. The caller holds mu.
func (l *listener) open(accepted bool) (open []*conn) {
	for c := range l.conns {
		if !c.owner && c.accepted == accepted && !c.isClosed() {
			open = append(open, c)
		}
	}
	return open
}

// serve runs a connection until it has ended and its data is sent.
func (l *listener) serve(c *conn) {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.send()
	}()
	err := l.handshake(c)
	if err == nil {
		err = l.serveMQTT(c)
	}
	c.endTurn()
	_ = c.Close()
	l.broker.log.Debug().Err(err).Stringer("remote", c.RemoteAddr()).Msg("client left the embedded broker")
	<-sent // until then abortAll may end it
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
}

// handshake begins TLS where it is configured.
func (l *listener) handshake(c *conn) error {
	secure, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), l.broker.limits.greeting, errGreeting)
	defer cancel()
	err := secure.HandshakeContext(ctx)
	if err != nil {
		c.drop(fmt.Errorf("TLS handshake: %w", err))
	}
	return err
}

// serveMQTT runs the server on a connection until it ends. Some malformed packets make the server panic: this ends only
// their connection.
func (l *listener) serveMQTT(c *conn) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the server cannot process a packet of the client: %v", p)
			l.broker.log.Debug().Err(err).Bytes("stack", debug.Stack()).Msg("embedded broker: panic")
			c.reportDrop(err) // the server has closed it
			l.broker.sessions.endAfterPanic(c)
		}
	}()
	return l.establish(l.ID(), c)
}

// dropLargest ends the connection with the most waiting bytes.
func (l *listener) dropLargest() {
	var largest *conn
	most := 0
	l.mu.Lock()
	for c := range l.conns {
		if n := c.pending(); n > most && !c.owner {
			largest, most = c, n
		}
	}
	l.mu.Unlock()
	if largest != nil {
		largest.drop(errSlowAll)
	}
}

// Close disconnects the clients that are registered in the server, aborts the connections that are left after
// closeGrace, and waits for all. It does not call the server's own function, which takes a lock twice, and can deadlock
// when a client leaves in between.
func (l *listener) Close(listeners.CloseFn) {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	_ = l.inner.Close()
	timer := time.AfterFunc(closeGrace, l.abortAll)
	defer timer.Stop()
	for _, client := range l.broker.server.Clients.GetAll() {
		_ = l.broker.server.DisconnectClient(client, packets.ErrServerShuttingDown) // fails if it is disconnected
	}
	l.group.Wait()
}

func (l *listener) abortAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.abort()
	}
}
