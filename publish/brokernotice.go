package publish

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// BrokerStats counts what the embedded broker has refused since it was started.
type BrokerStats struct {
	// Dropped counts clients that were disconnected: they read too slowly, acknowledged nothing, or violated the
	// protocol.
	Dropped uint64
	// Refused counts connections that were not accepted; WrongPasswords those of them with a wrong user or password.
	Refused        uint64
	WrongPasswords uint64
	// RefusedMessages counts messages and last wills of clients that may not publish.
	RefusedMessages uint64
	// LostMessages counts messages that were not stored for a disconnected client, because its session is full.
	LostMessages uint64
}

// brokerNotices counts and logs the faults of clients, with at most three lines a minute of each kind.
type brokerNotices struct {
	dropped, refused, passwords, messages, lost *clientNotice
}

func newBrokerNotices(log zerolog.Logger) *brokerNotices {
	kind := func(text string) *clientNotice {
		return &clientNotice{text: text, log: log.Sample(&zerolog.BurstSampler{Burst: 3, Period: time.Minute})}
	}
	return &brokerNotices{
		dropped:   kind("embedded broker: a client is disconnected"),
		refused:   kind("embedded broker: a connection is refused"),
		passwords: kind("embedded broker: wrong user or password"),
		messages:  kind("embedded broker: only facesieve publishes here; a message of a client is refused"),
		lost:      kind("embedded broker: the session of a disconnected client is full; a message for it is dropped"),
	}
}

func (n *brokerNotices) drop(c *brokerConn, why error) {
	n.dropped.report(c.RemoteAddr(), c.clientID(), why)
}

func (n *brokerNotices) stats() BrokerStats {
	return BrokerStats{
		Dropped: n.dropped.count.Load(), Refused: n.refused.count.Load() + n.passwords.count.Load(),
		WrongPasswords: n.passwords.count.Load(), RefusedMessages: n.messages.count.Load(),
		LostMessages: n.lost.count.Load(),
	}
}

// clientNotice is one kind of fault.
type clientNotice struct {
	text  string
	count atomic.Uint64
	log   zerolog.Logger
}

func (n *clientNotice) report(remote net.Addr, client string, why error) {
	n.log.Warn().Err(why).Str("client", client).Stringer("remote", remote).Uint64("so_far", n.count.Add(1)).Msg(n.text)
}
