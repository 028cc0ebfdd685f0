package publish

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
	"sync/atomic"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

const brokerPause = 100 * time.Millisecond // after a failed accept, as when no file descriptor is left

var (
	errTooManyConnections = errors.New("too many connections from this address")
	errTooManyUnfinished  = errors.New("too many connections that are not complete: it was the oldest")
	errEnded              = errors.New("the embedded broker has ended")
)

// brokerListener accepts the connections of clients, and creates those of the daemon. Unlike mochi's own listeners it
// bounds connections (see limits), and survives a failed accept and a panic of the server. Its Close ends all clients,
// including those that are not registered in the server yet, and waits for them.
type brokerListener struct {
	inner   net.Listener
	secure  *tls.Config // nil for plain TCP
	log     zerolog.Logger
	limits  *limits
	notices *brokerNotices
	part    func()            // disconnects the clients that are registered in the server
	failed  func(*brokerConn) // frees the server's state of a client after a panic
	rates   *addresses

	group     sync.WaitGroup // Serve, and each client
	turn      sync.Mutex     // see brokerConn
	waiting   atomic.Int64   // bytes that wait for all clients
	establish listeners.EstablishFn
	serving   chan struct{} // closed once establish is set

	mu         sync.Mutex
	conns      map[*brokerConn]struct{}
	unfinished []*brokerConn // whose CONNECT is not accepted yet, the oldest first
	places     int           // clients that count towards limits.clients
	ended      bool
}

func newBrokerListener(inner net.Listener, secure *tls.Config, l *limits, log zerolog.Logger) *brokerListener {
	b := &brokerListener{
		inner: inner, secure: secure, log: log, limits: l, notices: newBrokerNotices(log),
		rates: newAddresses(l.connections, l.burst), conns: map[*brokerConn]struct{}{}, serving: make(chan struct{}),
	}
	b.group.Add(1)
	return b
}

// Init has nothing to do.
func (l *brokerListener) Init(*slog.Logger) error { return nil }

// ID is the listener's name within the server.
func (l *brokerListener) ID() string { return "mqtt" }

// Address is host and port.
func (l *brokerListener) Address() string { return l.inner.Addr().String() }

// Protocol is tcp.
func (l *brokerListener) Protocol() string { return "tcp" }

// Serve hands clients to the server until Close. The server calls it once.
func (l *brokerListener) Serve(establish listeners.EstablishFn) {
	defer l.group.Done()
	l.establish = establish
	close(l.serving)
	for {
		conn, err := l.inner.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			l.log.Warn().Err(err).Msg("embedded broker accepts nobody")
			time.Sleep(brokerPause)
			continue
		}
		if !l.rates.of(conn.RemoteAddr()).Allow() {
			l.notices.refused.report(conn.RemoteAddr(), "", errTooManyConnections)
			_ = conn.Close()
			continue
		}
		l.start(conn, false)
	}
}

// dial returns a connection that stays inside the program, and that counts as the daemon's own.
func (l *brokerListener) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	if !l.start(theirs, true) {
		_ = ours.Close()
		return nil, errEnded
	}
	return ours, nil
}

// start serves a connection, unless the listener has ended.
func (l *brokerListener) start(raw net.Conn, owner bool) bool {
	c := &brokerConn{
		Conn: raw, raw: raw, owner: owner, accepted: owner, started: time.Now(), limits: l.limits,
		waiting: &l.waiting, crowded: l.dropLargest, dropped: l.notices.drop, turn: &l.turn,
		pace: rate.NewLimiter(l.limits.packets, int(l.limits.packets)), refuse: rate.NewLimiter(1, refusals),
		closing: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	if l.secure != nil && !owner {
		c.Conn = tls.Server(raw, l.secure)
	}
	oldest, ok := l.add(c)
	if oldest != nil {
		oldest.drop(errTooManyUnfinished)
	}
	if !ok {
		_ = raw.Close()
	}
	return ok
}

// add registers a connection and begins to serve it. It returns the connection that must be closed to make room.
func (l *brokerListener) add(c *brokerConn) (oldest *brokerConn, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil, false
	}
	l.conns[c] = struct{}{}
	if !c.owner {
		if len(l.unfinished) >= l.limits.unfinished {
			oldest = l.unfinished[0]
			l.unfinished = l.unfinished[1:]
		}
		l.unfinished = append(l.unfinished, c)
	}
	l.group.Go(func() { l.serve(c) })
	return oldest, true
}

// admit counts a client whose CONNECT is valid, if fewer than limits.clients are connected. A client that replaces its
// own former connection, which is still counted, is always admitted.
func (l *brokerListener) admit(c *brokerConn, replaces bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.places >= l.limits.clients && !replaces {
		return false
	}
	l.places++
	c.accepted = true
	l.finished(c)
	return true
}

// finished removes a connection from those whose CONNECT is not accepted. The caller holds mu.
func (l *brokerListener) finished(c *brokerConn) {
	l.unfinished = slices.DeleteFunc(l.unfinished, func(other *brokerConn) bool { return other == c })
}

func (l *brokerListener) serve(c *brokerConn) {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.send()
	}()
	err := l.handshake(c)
	if err == nil {
		err = l.hand(c)
	}
	c.leave()
	_ = c.Close()
	l.log.Debug().Err(err).Stringer("remote", c.RemoteAddr()).Msg("client left the embedded broker")
	l.mu.Lock()
	l.finished(c)
	if c.accepted && !c.owner {
		l.places--
	}
	l.mu.Unlock()
	<-sent // until then cut may end it
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
}

// handshake begins TLS where it is configured.
func (l *brokerListener) handshake(c *brokerConn) error {
	secure, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), l.limits.greeting, errGreeting)
	defer cancel()
	err := secure.HandshakeContext(ctx)
	if err != nil {
		c.drop(fmt.Errorf("TLS handshake: %w", err))
	}
	return err
}

// hand runs the server on a connection until it ends. Some malformed packets make the server panic: this ends only
// their connection.
func (l *brokerListener) hand(c *brokerConn) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the server cannot process its packet: %v", p)
			l.log.Debug().Err(err).Bytes("stack", debug.Stack()).Msg("embedded broker: panic")
			l.notices.drop(c, err) // the server has closed it
			l.failed(c)
		}
	}()
	return l.establish(l.ID(), c)
}

// dropLargest ends the connection with the most waiting bytes.
func (l *brokerListener) dropLargest() {
	var largest *brokerConn
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
// brokerGrace, and waits for all. The server's own method takes a lock twice, and can deadlock when a client leaves in
// between.
func (l *brokerListener) Close(listeners.CloseFn) {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	_ = l.inner.Close()
	timer := time.AfterFunc(brokerGrace, l.cut)
	defer timer.Stop()
	l.part()
	l.group.Wait()
}

func (l *brokerListener) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.abort()
	}
}
