package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/rs/zerolog"

	"facesieve/publish/event"
)

const (
	closeGrace     = 250 * time.Millisecond // for subscribers to take the last messages, and again to leave
	maxPending     = 1024                   // messages that wait to be encoded for a client
	sessionTimeout = time.Hour              // how long the session of a disconnected client is kept
)

// Config is what a broker is started with. The fields are not validated.
type Config struct {
	// Listen is the address host:port on which it listens. With port 0 the system chooses a port.
	Listen string
	// TLS is the configuration of the listener; nil for plain TCP.
	TLS *tls.Config
	// User and Password are required of every client if User is set.
	User, Password string
	// ClientID is the daemon's, see Reserve.
	ClientID string
	// Root is what the daemon's topics begin with. A topic filter may have furtherLevels more levels.
	Root string
}

// Broker is the broker inside the program, for a site without another one. It keeps everything in memory.
//
// Only the program itself publishes, over connections of DialContext; every other client subscribes, and publishes to the
// topics of Permit alone. The resources of a
// client are bounded, see limits: a client that reads too slowly, acknowledges nothing or floods is disconnected, and
// this is logged. Neither the publisher nor another client waits for it.
type Broker struct {
	server   *mochi.Server
	listener *listener
	access   *access
	sessions *sessions
	limits   limits
	faults   *faults
	log      zerolog.Logger

	turn    sync.Mutex   // see conn
	waiting atomic.Int64 // bytes that wait to be sent to all clients

	grace time.Duration
	once  sync.Once
	err   error
}

// Start listens on Config.Listen and serves clients until Close. If ctx ends before it listens, it returns an error.
func Start(ctx context.Context, cfg Config, log zerolog.Logger) (*Broker, error) {
	return start(ctx, cfg, log, defaultLimits())
}

func start(ctx context.Context, cfg Config, log zerolog.Logger, l limits) (*Broker, error) {
	inner, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w: is another broker running? see listen", err)
	}
	b := &Broker{
		server: mochi.New(&mochi.Options{
			Capabilities: capabilities(), Logger: slog.New(newDebugHandler(log)), SysTopicResendInterval: 60,
		}),
		limits: l, faults: newFaults(log), log: log, grace: closeGrace,
	}
	b.listener, b.sessions, b.access = newListener(b, inner, cfg.TLS), newSessions(b), newAccess(b, cfg)
	err = errors.Join(b.server.AddHook(b.access, nil), b.server.AddHook(b.sessions, nil),
		b.server.AddListener(b.listener), b.server.Serve())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded broker: %w", err), b.Close())
	}
	<-b.listener.serving
	log.Info().Str("address", b.Addr()).Bool("password_required", !b.access.open).Bool("tls", cfg.TLS != nil).
		Msg("embedded broker listens")
	if cfg.TLS == nil && !onLoopback(cfg.Listen) {
		log.Warn().Str("address", b.Addr()).
			Msg("embedded broker: password and faces cross the network unencrypted; set mqtt.listen_tls")
	}
	return b, nil
}

func onLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func capabilities() *mochi.Capabilities {
	c := mochi.NewDefaultServerCapabilities()
	c.MaximumClientWritesPending = maxPending
	c.MaximumInflight = maxPending
	c.MaximumSessionExpiryInterval = uint32(sessionTimeout / time.Second)
	c.MaximumPacketSize = event.MaxPayload + event.MaxRoot + 4*event.MaxName
	c.MaximumMessageExpiryInterval = 0 // else a retained status is lost a day after the connection
	c.TopicAliasMaximum = 0            // else a publish with an alias alone passes OnACLCheck without its topic
	return c
}

// Reserve sets the client id of the daemon. No other client can use it, also while the daemon is not connected.
func (b *Broker) Reserve(clientID string) { b.access.reserved.Store(&clientID) }

// Permit sets the topic filters to which clients may publish, instead of the former ones. A level may be +. What they
// publish is never retained.
func (b *Broker) Permit(filters ...string) { b.access.inward.Store(&filters) }

// DialContext returns a connection that stays inside the program, whatever its arguments. The broker treats it as the
// daemon's own: it may publish, needs no password and is not counted as a client.
func (b *Broker) DialContext(context.Context, string, string) (net.Conn, error) {
	return b.listener.dial()
}

// Stats returns what the broker has refused so far.
func (b *Broker) Stats() Stats { return b.faults.stats() }

// Addr is the address on which it listens, with the port that was chosen if Config.Listen has port 0.
func (b *Broker) Addr() string { return b.listener.Address() }

// Close lets subscribers take what was sent to them, for a quarter of a second at most, and then ends every connection
// and returns. Close the publisher before.
func (b *Broker) Close() error {
	b.once.Do(func() {
		for end := time.Now().Add(b.grace); b.busy() && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
		b.err = b.server.Close()
		if s := b.Stats(); s != (Stats{}) {
			b.log.Info().Uint64("clients_dropped", s.Dropped).Uint64("connections_refused", s.Refused).
				Uint64("wrong_passwords", s.WrongPasswords).Uint64("messages_refused", s.RefusedMessages).
				Uint64("messages_lost", s.LostMessages).Msg("embedded broker has ended")
		}
	})
	return b.err
}

// busy reports whether a message is on its way to a client, or waits for its acknowledgement.
func (b *Broker) busy() bool {
	if !b.turn.TryLock() {
		return true
	}
	defer b.turn.Unlock()
	for _, client := range b.server.Clients.GetAll() {
		c := connOf(client)
		if !c.owner && !client.Closed() && (client.State.Inflight.Len() > 0 || c.pending() > 0) {
			return true
		}
	}
	return false
}
