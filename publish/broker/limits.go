package broker

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"facesieve/publish/event"
)

// limits bounds the time, connections and memory that clients can use. The daemon's own connections are not counted,
// and their packets are not limited.
type limits struct {
	greeting time.Duration // from the connection to an accepted CONNECT, with the TLS handshake
	stall    time.Duration // without progress of a packet that has begun, in either direction

	clients     int        // connected clients
	unfinished  int        // open connections whose CONNECT is not accepted yet
	connections rate.Limit // new connections a second from one address, after a burst
	burst       int
	packets     rate.Limit    // packets a second from one client; the burst is one second's worth
	passwords   time.Duration // delay for each wrong password of an address, after freePasswords

	firstPacket int // bytes of a CONNECT
	packet      int // bytes of any other packet
	clientID    int // bytes
	filters     int // subscriptions of a client; Home Assistant has 70, and 4 for each camera
	filter      int // bytes of a topic filter
	allFilters  int // bytes of all topic filters of a client

	outbound    int // bytes that wait to be sent to one client
	outboundAll int // bytes that wait to be sent to all clients
	unacked     int // bytes of messages that a session has not acknowledged
	unackedAll  int // the same for all sessions together
	messages    int // messages that a session has not acknowledged
	sessions    int // stored sessions of disconnected clients

	retained      int // messages
	retainedBytes int
}

func defaultLimits() limits {
	return limits{
		greeting: 10 * time.Second, stall: 10 * time.Second,
		clients: 64, unfinished: 128, connections: 20, burst: 200, packets: 1000, passwords: time.Second,
		firstPacket: 16 << 10, packet: 64 << 10, clientID: event.MaxName,
		filters: 256, filter: event.MaxRoot + 2*event.MaxName, allFilters: 64 << 10,
		outbound: 4 << 20, outboundAll: 16 << 20,
		unacked: 3 << 20, unackedAll: 16 << 20, messages: 1024, sessions: 64,
		retained: 4096, retainedBytes: 8 << 20,
	}
}

const maxAddresses = 1024 // addresses with a limiter of their own

// addresses holds a rate limiter for each address. Addresses beyond maxAddresses share one.
type addresses struct {
	limit rate.Limit
	burst int

	mu     sync.Mutex
	each   map[netip.Prefix]*rate.Limiter
	others *rate.Limiter
}

func newAddresses(limit rate.Limit, burst int) *addresses {
	return &addresses{
		limit: limit, burst: burst, each: map[netip.Prefix]*rate.Limiter{}, others: rate.NewLimiter(limit, burst),
	}
}

// of returns the limiter of an address. An IPv6 network of one subscriber line (/64) counts as one address.
func (a *addresses) of(remote net.Addr) *rate.Limiter {
	key := addressKey(remote)
	a.mu.Lock()
	defer a.mu.Unlock()
	if l := a.each[key]; l != nil {
		return l
	}
	if len(a.each) >= maxAddresses {
		a.deleteRecovered()
	}
	if len(a.each) >= maxAddresses {
		return a.others
	}
	l := rate.NewLimiter(a.limit, a.burst)
	a.each[key] = l
	return l
}

// deleteRecovered removes the addresses whose rate has recovered in full.
func (a *addresses) deleteRecovered() {
	for key, l := range a.each {
		if l.Tokens() >= float64(a.burst) {
			delete(a.each, key)
		}
	}
}

func addressKey(remote net.Addr) netip.Prefix {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	key, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return key
}
