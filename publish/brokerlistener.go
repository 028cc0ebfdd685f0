package publish

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/rs/zerolog"
)

const (
	brokerGreeting = 10 * time.Second       // within which a client must say who it is
	brokerPause    = 100 * time.Millisecond // after a failed accept, as when no file descriptor is left
)

// brokerListener accepts the clients of the embedded broker. Unlike mochi's own listeners it gives a client little time
// to introduce itself, survives a failed accept, and its Close ends all clients, also those mochi does not know yet, and
// waits for them.
type brokerListener struct {
	inner net.Listener
	log   zerolog.Logger
	part  func()         // ends the clients that the server knows
	group sync.WaitGroup // Serve, and each client

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func newBrokerListener(inner net.Listener, log zerolog.Logger) *brokerListener {
	l := &brokerListener{inner: inner, log: log, conns: map[net.Conn]struct{}{}}
	l.group.Add(1)
	return l
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
		l.group.Go(func() { l.serve(conn, establish) })
	}
}

func (l *brokerListener) serve(conn net.Conn, establish listeners.EstablishFn) {
	l.mu.Lock()
	l.conns[conn] = struct{}{}
	l.mu.Unlock()
	err := conn.SetDeadline(time.Now().Add(brokerGreeting)) // mochi replaces it once the client is known
	if err == nil {
		err = establish(l.ID(), conn)
	}
	l.log.Debug().Err(err).Stringer("remote", conn.RemoteAddr()).Msg("client left the embedded broker")
	l.mu.Lock()
	delete(l.conns, conn)
	l.mu.Unlock()
	_ = conn.Close()
}

// Close parts from the clients that the server knows, drops what is left of them a little later, and waits for all. The server's own way
// to part takes a lock twice, and waits for ever when a client leaves in between.
func (l *brokerListener) Close(listeners.CloseFn) {
	_ = l.inner.Close()
	timer := time.AfterFunc(brokerGrace, l.cut)
	defer timer.Stop()
	l.part()
	l.group.Wait()
}

func (l *brokerListener) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.conns {
		_ = conn.Close()
	}
}
