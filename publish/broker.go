package publish

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/rs/zerolog"
)

const (
	brokerGrace   = 250 * time.Millisecond // for subscribers to take the last messages, and again to leave
	brokerPending = 1024                   // messages held for a client that is slow or away; mochi drops more
	brokerSession = time.Hour              // for which they are held
	brokerClients = 64
)

// Broker is the broker inside the program, for a camera without another one. It keeps everything in memory.
type Broker struct {
	server   *mochi.Server
	listener *brokerListener
	traffic  *traffic
	grace    time.Duration
	once     sync.Once
	err      error
}

// StartBroker listens on Config.Listen, and asks User and Password of every client if they are set.
func StartBroker(ctx context.Context, cfg Config, log zerolog.Logger) (*Broker, error) {
	if cfg.Broker != Embedded {
		return nil, fmt.Errorf("embedded broker: broker is %q, not %s", cfg.Broker, Embedded)
	}
	if err := errors.Join(cfg.connectionFaults()...); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	inner, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w: is another broker running? see listen", err)
	}
	listener := newBrokerListener(inner, log)
	capabilities := mochi.NewDefaultServerCapabilities()
	capabilities.MaximumClients = brokerClients
	capabilities.MaximumClientWritesPending = brokerPending
	capabilities.MaximumInflight = brokerPending
	capabilities.MaximumSessionExpiryInterval = uint32(brokerSession / time.Second)
	capabilities.MaximumPacketSize = maxPayload + maxRoot + 4*maxName
	server := mochi.New(&mochi.Options{
		Capabilities:           capabilities,
		Logger:                 slog.New(debugHandler{log}),
		SysTopicResendInterval: 60,
	})
	listener.part = func() {
		for _, client := range server.Clients.GetAll() {
			_ = server.DisconnectClient(client, packets.ErrServerShuttingDown) // an error tells that it was done, or has gone
		}
	}
	b := &Broker{server: server, listener: listener, traffic: &traffic{}, grace: brokerGrace}
	hook := &access{user: digest(cfg.User), password: digest(string(cfg.Password)), open: cfg.User == ""}
	err = errors.Join(
		server.AddHook(hook, nil), server.AddHook(b.traffic, nil), server.AddListener(listener), server.Serve(),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded broker: %w", err), b.Close())
	}
	log.Info().Str("address", b.Addr()).Bool("asks_password", !hook.open).Msg("embedded broker listens")
	return b, nil
}

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
	})
	return b.err
}

// busy says whether a message is on its way from a client, or to one that has not acknowledged it.
func (b *Broker) busy() bool {
	return b.traffic.arriving.Load() > 0 || atomic.LoadInt64(&b.server.Info.Inflight) > 0
}

// traffic counts messages that were read and are not yet handed to their subscribers. Mochi acknowledges them in
// between, so that a publisher may be gone already.
type traffic struct {
	mochi.HookBase
	arriving atomic.Int64
}

// ID names the hook.
func (*traffic) ID() string { return "traffic" }

// Provides says which notices of the server the hook takes.
func (*traffic) Provides(b byte) bool { return b == mochi.OnPacketRead || b == mochi.OnPacketProcessed }

// OnPacketRead notes that a message has come.
func (t *traffic) OnPacketRead(_ *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Type == packets.Publish {
		t.arriving.Add(1)
	}
	return pk, nil
}

// OnPacketProcessed notes that it has gone to its subscribers.
func (t *traffic) OnPacketProcessed(_ *mochi.Client, pk packets.Packet, _ error) {
	if pk.FixedHeader.Type == packets.Publish {
		t.arriving.Add(-1)
	}
}

// access lets everybody in if open, otherwise whoever knows user and password.
type access struct {
	mochi.HookBase
	user, password [sha256.Size]byte
	open           bool
}

func (*access) ID() string { return "access" }

// Provides says which questions of the server the hook answers.
func (*access) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}

// OnConnectAuthenticate compares in constant time.
func (a *access) OnConnectAuthenticate(_ *mochi.Client, pk packets.Packet) bool {
	user, password := digest(string(pk.Connect.Username)), digest(string(pk.Connect.Password))
	same := subtle.ConstantTimeCompare(user[:], a.user[:]) & subtle.ConstantTimeCompare(password[:], a.password[:])
	return a.open || same == 1
}

// OnACLCheck opens every topic to whoever was let in.
func (*access) OnACLCheck(*mochi.Client, string, bool) bool { return true }

func digest(s string) [sha256.Size]byte { return sha256.Sum256([]byte(s)) }
