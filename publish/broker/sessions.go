package broker

import (
	"errors"
	"strings"
	"sync"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const messageOverhead = 512 // bytes that a stored message uses beside its topic and payload

var (
	errNoAcknowledgement = errors.New("too many messages wait for an acknowledgement of the client")
	errSessionAll        = errors.New("too many messages wait for acknowledgements: this client has most of them")
	errSessionFull       = errors.New("too many messages wait for the client")
	errRetained          = errors.New("embedded broker: too many retained messages: this one is not retained")
)

// sessions bounds what the server stores for its clients, and gives each packet its turn (see conn). Its methods
// are called in the turn of a connection.
type sessions struct {
	mochi.HookBase
	broker *Broker

	mu           sync.Mutex
	unacked      map[*mochi.Client]*unacked
	unackedBytes int
}

// unacked is what a session has not acknowledged.
type unacked struct {
	sizes map[uint16]int // by packet id
	bytes int
}

func newSessions(b *Broker) *sessions {
	return &sessions{broker: b, unacked: map[*mochi.Client]*unacked{}}
}

// ID returns the name of the hook.
func (*sessions) ID() string { return "sessions" }

// Provides reports which events of the server the hook handles.
func (*sessions) Provides(b byte) bool {
	switch b {
	case mochi.OnSessionEstablish, mochi.OnPacketRead, mochi.OnDisconnect, mochi.OnClientExpired, mochi.OnPublish,
		mochi.OnPublishDropped, mochi.OnQosPublish, mochi.OnQosComplete, mochi.OnQosDropped:
		return true
	}
	return false
}

// OnSessionEstablish begins the turn in which the client takes over its former session.
func (*sessions) OnSessionEstablish(cl *mochi.Client, _ packets.Packet) { connOf(cl).beginTurn() }

// OnPacketRead begins the turn in which a packet is processed.
func (*sessions) OnPacketRead(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	connOf(cl).beginTurn()
	if pk.FixedHeader.Type == packets.Puback {
		// When the server sends a message that it had delayed for the client's receive maximum, it deletes the message
		// and does not count the acknowledgement.
		if _, stored := cl.State.Inflight.Get(pk.PacketID); !stored {
			cl.State.Inflight.IncreaseSendQuota()
		}
	}
	return pk, nil
}

// OnDisconnect bounds the number and the age of the sessions of disconnected clients.
func (s *sessions) OnDisconnect(cl *mochi.Client, _ error, expire bool) {
	c := connOf(cl)
	c.beginTurn()
	if expire || cl.IsTakenOver() {
		return
	}
	if c.evicted {
		s.end(cl)
		return
	}
	longest := s.broker.server.Options.Capabilities.MaximumSessionExpiryInterval
	cl.Properties.Props.SessionExpiryInterval = min(cl.Properties.Props.SessionExpiryInterval, longest)
	var oldest *mochi.Client
	away := 0
	for _, other := range s.broker.server.Clients.GetAll() {
		if !other.Closed() {
			continue
		}
		away++
		if oldest == nil || other.StopTime() < oldest.StopTime() {
			oldest = other
		}
	}
	if away > s.broker.limits.sessions {
		s.end(oldest)
	}
}

// OnClientExpired frees the subscriptions and messages of the session; the server does not.
func (s *sessions) OnClientExpired(cl *mochi.Client) {
	s.broker.turn.Lock()
	defer s.broker.turn.Unlock()
	s.broker.server.UnsubscribeClient(cl)
	cl.ClearInflights()
}

// end deletes the session of a disconnected client.
func (s *sessions) end(cl *mochi.Client) {
	s.broker.server.UnsubscribeClient(cl)
	cl.ClearInflights()
	if current, ok := s.broker.server.Clients.Get(cl.ID); ok && current == cl {
		s.broker.server.Clients.Delete(cl.ID)
	}
}

// endAfterPanic ends the session of a client whose packet made the server panic.
func (s *sessions) endAfterPanic(c *conn) {
	c.beginTurn()
	for _, cl := range s.broker.server.Clients.GetAll() {
		if connOf(cl) == c {
			s.end(cl)
		}
	}
}

// deliverable reports whether a message may be stored for a client. A connected client that acknowledges nothing is
// dropped.
func (s *sessions) deliverable(cl *mochi.Client) bool {
	if !s.full(cl) {
		return true
	}
	c := connOf(cl)
	if cl.Closed() {
		s.broker.faults.lost.report(c.RemoteAddr(), cl.ID, errSessionFull)
	} else {
		c.drop(errNoAcknowledgement)
	}
	return false
}

func (s *sessions) full(cl *mochi.Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.unacked[cl]
	if u == nil || u.bytes < s.broker.limits.unacked && len(u.sizes) < s.broker.limits.messages {
		return false
	}
	if !cl.Closed() {
		s.recount(cl, u)
	}
	return u.bytes >= s.broker.limits.unacked || len(u.sizes) >= s.broker.limits.messages
}

// recount drops the entries of messages that the server has removed without calling a hook.
func (s *sessions) recount(cl *mochi.Client, u *unacked) {
	for id := range u.sizes {
		if _, ok := cl.State.Inflight.Get(id); !ok {
			s.remove(cl, id)
		}
	}
}

// OnQosPublish counts a message that a client must acknowledge.
func (s *sessions) OnQosPublish(cl *mochi.Client, pk packets.Packet, _ int64, _ int) {
	s.mu.Lock()
	s.remove(cl, pk.PacketID)
	u := s.unacked[cl]
	if u == nil {
		u = &unacked{sizes: map[uint16]int{}}
		s.unacked[cl] = u
	}
	size := storedSize(pk)
	u.sizes[pk.PacketID] = size
	u.bytes += size
	s.unackedBytes += size
	var largest *mochi.Client
	if s.unackedBytes > s.broker.limits.unackedAll {
		largest = s.largest()
	}
	s.mu.Unlock()
	if largest != nil {
		s.evict(largest)
	}
}

// OnQosComplete removes what was acknowledged.
func (s *sessions) OnQosComplete(cl *mochi.Client, pk packets.Packet) { s.OnQosDropped(cl, pk) }

// OnQosDropped removes messages that will not be sent again.
func (s *sessions) OnQosDropped(cl *mochi.Client, pk packets.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(cl, pk.PacketID)
}

func (s *sessions) remove(cl *mochi.Client, id uint16) {
	u := s.unacked[cl]
	if u == nil {
		return
	}
	u.bytes -= u.sizes[id]
	s.unackedBytes -= u.sizes[id]
	if delete(u.sizes, id); len(u.sizes) == 0 {
		delete(s.unacked, cl)
	}
}

func (s *sessions) largest() (largest *mochi.Client) {
	most := 0
	for cl, u := range s.unacked {
		if u.bytes > most && !connOf(cl).owner {
			largest, most = cl, u.bytes
		}
	}
	return largest
}

// evict ends the session of a client: at once if it is disconnected, otherwise together with its connection.
func (s *sessions) evict(cl *mochi.Client) {
	c := connOf(cl)
	switch {
	case c.evicted: // and will be disconnected
	case cl.Closed():
		s.broker.faults.lost.report(c.RemoteAddr(), cl.ID, errSessionAll)
		s.end(cl)
	default:
		c.drop(errSessionAll)
	}
	c.evicted = true
}

// OnPublishDropped drops a client for which too many messages wait to be encoded.
func (s *sessions) OnPublishDropped(cl *mochi.Client, _ packets.Packet) {
	connOf(cl).drop(errSlowBuffer)
}

// OnPublish bounds the retained messages, except those of the server itself. Those of clients are not retained.
func (s *sessions) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if c, ok := cl.Net.Conn.(*conn); ok && !c.owner {
		pk.FixedHeader.Retain = false
	}
	if !pk.FixedHeader.Retain || len(pk.Payload) == 0 {
		return pk, nil
	}
	count, bytes := 1, storedSize(pk)
	for topic, other := range s.broker.server.Topics.Retained.GetAll() {
		if topic != pk.TopicName && !strings.HasPrefix(topic, "$") {
			count++
			bytes += storedSize(other)
		}
	}
	if count > s.broker.limits.retained || bytes > s.broker.limits.retainedBytes {
		s.broker.log.Error().Err(errRetained).Str("topic", pk.TopicName).Str("client", cl.ID).Send()
		pk.FixedHeader.Retain = false
	}
	return pk, nil
}

// storedSize is about the memory that a stored message uses, in bytes.
func storedSize(pk packets.Packet) int { return len(pk.Payload) + len(pk.TopicName) + messageOverhead }
