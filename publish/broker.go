package publish

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/rs/zerolog"

	"facesieve/publish/event"
)

const (
	brokerGrace   = 250 * time.Millisecond // for subscribers to take the last messages, and again to leave
	brokerPending = 1024                   // messages that wait to be encoded for a client
	brokerSession = time.Hour              // how long the session of a disconnected client is kept
)

// Broker is the broker inside the program, for a camera without another one. It keeps everything in memory.
//
// Only the program itself publishes, over connections of a configuration from Attach; every other client subscribes.
// The resources of a client are bounded, see limits: a client that reads too slowly, acknowledges nothing or floods is
// disconnected, and this is logged. Neither the publisher nor another client waits for it.
type Broker struct {
	server   *mochi.Server
	listener *brokerListener
	access   *access
	log      zerolog.Logger
	grace    time.Duration
	once     sync.Once
	err      error
}

// StartBroker listens on Config.Listen, with TLS if Config.ListenTLS is set, and requires User and Password of every
// client if they are set.
func StartBroker(ctx context.Context, cfg Config, log zerolog.Logger) (*Broker, error) {
	return startBroker(ctx, cfg, log, defaultLimits())
}

func startBroker(ctx context.Context, cfg Config, log zerolog.Logger, l limits) (*Broker, error) {
	if cfg.Broker != Embedded {
		return nil, fmt.Errorf("embedded broker: broker is %q, not %s", cfg.Broker, Embedded)
	}
	if err := errors.Join(cfg.connectionFaults()...); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	listener, err := listen(ctx, cfg, &l, log)
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	server := mochi.New(&mochi.Options{
		Capabilities: capabilities(), Logger: slog.New(debugHandler{log}), SysTopicResendInterval: 60,
	})
	listener.part = func() {
		for _, client := range server.Clients.GetAll() {
			_ = server.DisconnectClient(client, packets.ErrServerShuttingDown) // fails if it is disconnected already
		}
	}
	sessions := newSessions(server, listener)
	listener.failed = sessions.abandon
	b := &Broker{
		server: server, listener: listener, access: newAccess(cfg, server, listener, sessions), log: log,
		grace: brokerGrace,
	}
	err = errors.Join(
		server.AddHook(b.access, nil), server.AddHook(sessions, nil), server.AddListener(listener), server.Serve(),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded broker: %w", err), b.Close())
	}
	<-listener.serving
	log.Info().Str("address", b.Addr()).Bool("asks_password", !b.access.open).Bool("tls", cfg.ListenTLS.enabled()).
		Msg("embedded broker listens")
	if host, _, _ := net.SplitHostPort(cfg.Listen); !loopback(host) && !cfg.ListenTLS.enabled() {
		log.Warn().Str("address", b.Addr()).
			Msg("embedded broker: password and faces cross the network unencrypted; set mqtt.listen_tls")
	}
	return b, nil
}

func listen(ctx context.Context, cfg Config, l *limits, log zerolog.Logger) (*brokerListener, error) {
	var secure *tls.Config
	if cfg.ListenTLS.enabled() {
		var err error
		if secure, err = newFreshTLS(cfg.ListenTLS, log); err != nil {
			return nil, err
		}
	}
	inner, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w: is another broker running? see listen", err)
	}
	return newBrokerListener(inner, secure, l, log), nil
}

func capabilities() *mochi.Capabilities {
	c := mochi.NewDefaultServerCapabilities()
	c.MaximumClientWritesPending = brokerPending
	c.MaximumInflight = brokerPending
	c.MaximumSessionExpiryInterval = uint32(brokerSession / time.Second)
	c.MaximumPacketSize = event.MaxPayload + event.MaxRoot + 4*event.MaxName
	c.MaximumMessageExpiryInterval = 0 // else a retained status is lost a day after the connection
	c.TopicAliasMaximum = 0            // else a publish with an alias alone passes OnACLCheck without its topic
	return c
}

// Attach returns cfg with connections that stay inside the program. The broker treats them as the daemon's own: they
// may publish, need no password and are not counted as clients. No other client can use the client id of cfg.
func (b *Broker) Attach(cfg Config) Config {
	b.access.reserve(cfg.clientID())
	cfg.inside = b
	return cfg
}

// network connects to the port of a broker, or inside the program if Attach has made the configuration.
func (c Config) network(ctx context.Context, address string) (net.Conn, error) {
	if c.inside != nil {
		return c.inside.listener.dial()
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// clientTLS returns the settings of a connection with TLS to the broker.
func (c Config) clientTLS() (*tls.Config, error) {
	if c.Broker == Embedded {
		return c.ListenTLS.trust()
	}
	return c.TLS.load()
}

// Stats returns what the broker has refused so far.
func (b *Broker) Stats() BrokerStats { return b.listener.notices.stats() }

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
		if s := b.Stats(); s != (BrokerStats{}) {
			b.log.Info().Uint64("clients_dropped", s.Dropped).Uint64("connections_refused", s.Refused).
				Uint64("wrong_passwords", s.WrongPasswords).Uint64("messages_refused", s.RefusedMessages).
				Uint64("messages_lost", s.LostMessages).Msg("embedded broker has ended")
		}
	})
	return b.err
}

// busy reports whether a message is on its way to a client, or waits for its acknowledgement.
func (b *Broker) busy() bool {
	if !b.listener.turn.TryLock() {
		return true
	}
	defer b.listener.turn.Unlock()
	for _, cl := range b.server.Clients.GetAll() {
		if c := connOf(cl); !c.owner && !cl.Closed() && (cl.State.Inflight.Len() > 0 || c.pending() > 0) {
			return true
		}
	}
	return false
}
