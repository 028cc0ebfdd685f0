package broker

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"golang.org/x/time/rate"

	"facesieve/publish/event"
)

const (
	refusals       = 20 // consecutive refused publishes before the disconnection; one more is allowed each second
	freePasswords  = 3  // wrong passwords from an address before further attempts are delayed
	passwordsAhead = 5  // wrong passwords that add to the delay
	furtherLevels  = 16 // levels of a topic filter beyond those of the root
)

var (
	errClientID      = errors.New("the client id is longer than the broker allows")
	errReserved      = errors.New("the client id is reserved for facesieve")
	errTooMany       = errors.New("too many clients are connected")
	errMayNotPublish = errors.New("the client may not publish")
	errPersists      = errors.New("the client may not publish, and does not stop")
)

// access authenticates clients and authorises what they do. A client other than the daemon may subscribe to everything,
// and publish only to the permitted topics.
type access struct {
	mochi.HookBase
	broker   *Broker
	levels   int                      // of a topic filter
	attempts *addresses               // rates of wrong passwords
	reserved atomic.Pointer[string]   // the daemon's client id
	inward   atomic.Pointer[[]string] // topic filters to which clients may publish

	user, password [sha256.Size]byte
	open           bool // no password is required
}

func newAccess(b *Broker, cfg Config) *access {
	a := &access{
		broker:   b,
		levels:   strings.Count(cfg.Root, "/") + furtherLevels,
		attempts: newAddresses(rate.Every(b.limits.passwords), freePasswords),
		user:     sha256.Sum256([]byte(cfg.User)), password: sha256.Sum256([]byte(cfg.Password)), open: cfg.User == "",
	}
	a.reserved.Store(&cfg.ClientID)
	a.inward.Store(&[]string{})
	return a
}

// ID returns the name of the hook.
func (*access) ID() string { return "access" }

// Provides reports which events of the server the hook handles.
func (*access) Provides(b byte) bool {
	switch b {
	case mochi.OnConnect, mochi.OnConnectAuthenticate, mochi.OnACLCheck, mochi.OnSubscribe, mochi.OnSubscribed:
		return true
	}
	return false
}

// OnConnect accepts a client, or sends the reason of the refusal.
func (a *access) OnConnect(cl *mochi.Client, pk packets.Packet) error {
	c := connOf(cl)
	id := cl.ID[:min(len(cl.ID), event.MaxName)] // not validated yet
	c.id.Store(&id)
	// The server stores messages with topic aliases, which are not valid on the next connection of the session.
	cl.Properties.Props.TopicAliasMaximum = 0
	if c.owner {
		return nil
	}
	code, reason := a.admit(c, cl, pk)
	if code != packets.CodeSuccess {
		kind := a.broker.faults.refused
		if code == packets.ErrBadUsernameOrPassword {
			kind = a.broker.faults.passwords
		}
		kind.report(c.RemoteAddr(), id, reason)
		_ = a.broker.server.SendConnack(cl, code, false, nil)
		return code
	}
	will := &cl.Properties.Will
	will.Retain = false
	if will.Flag != 0 && !a.mayPublish(c, will.TopicName) {
		a.broker.faults.messages.report(c.RemoteAddr(), cl.ID, errMayNotPublish)
		*will = mochi.Will{}
	}
	return nil
}

func (a *access) admit(c *conn, cl *mochi.Client, pk packets.Packet) (packets.Code, error) {
	former, replaces := a.broker.server.Clients.Get(cl.ID)
	switch {
	case len(cl.ID) > a.broker.limits.clientID:
		return packets.ErrClientIdentifierNotValid, errClientID
	case !a.authenticate(c, pk):
		return packets.ErrBadUsernameOrPassword, nil
	case cl.ID == *a.reserved.Load() || replaces && connOf(former).owner && !former.Closed():
		return packets.ErrClientIdentifierNotValid, errReserved
	case a.broker.listener.admit(c, replaces && !former.Closed()):
		return packets.CodeSuccess, nil
	case cl.Properties.ProtocolVersion < 5:
		return packets.ErrServerUnavailable, errTooMany
	}
	return packets.ErrServerBusy, errTooMany
}

// OnConnectAuthenticate accepts all clients: OnConnect has checked them.
func (*access) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

// authenticate compares user and password in constant time. After several wrong passwords from an address, the next
// comparison is delayed, whether it is right or wrong, so that the time of an answer does not depend on the password.
func (a *access) authenticate(c *conn, pk packets.Packet) bool {
	if a.open {
		return true
	}
	attempts := a.attempts.of(c.RemoteAddr())
	ahead := min(1-attempts.Tokens(), 1+passwordsAhead)
	if ahead > 0 && !c.pause(time.Duration(ahead*float64(a.broker.limits.passwords))) {
		return false
	}
	user, password := sha256.Sum256(pk.Connect.Username), sha256.Sum256(pk.Connect.Password)
	same := subtle.ConstantTimeCompare(user[:], a.user[:]) & subtle.ConstantTimeCompare(password[:], a.password[:])
	if same != 1 && attempts.Tokens() > -passwordsAhead {
		attempts.Reserve()
	}
	return same == 1
}

// OnACLCheck authorises a message from a client (write), a message to it, and a subscription.
func (a *access) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	c := connOf(cl)
	if !write {
		return c.subscribing || a.broker.sessions.deliverable(cl)
	}
	if a.mayPublish(c, topic) {
		return true
	}
	a.broker.faults.messages.report(c.RemoteAddr(), cl.ID, errMayNotPublish)
	if !c.refuse.Allow() {
		c.drop(errPersists)
	}
	return false
}

// mayPublish is the only rule that decides who may publish to which topic, last wills included.
func (a *access) mayPublish(c *conn, topic string) bool {
	return c.owner || slices.ContainsFunc(*a.inward.Load(), func(filter string) bool { return matches(filter, topic) })
}

// matches reports whether a topic matches a filter whose levels may be +.
func matches(filter, topic string) bool {
	levels, wanted := strings.Split(topic, "/"), strings.Split(filter, "/")
	return slices.EqualFunc(levels, wanted, func(level, want string) bool { return want == "+" || level == want })
}

// OnSubscribe removes from a SUBSCRIBE the filters that are too many or too long.
func (a *access) OnSubscribe(cl *mochi.Client, pk packets.Packet) packets.Packet {
	c := connOf(cl)
	c.subscribing = true
	if c.owner {
		return pk
	}
	left, bytesLeft := a.broker.limits.filters, a.broker.limits.allFilters
	for filter := range cl.State.Subscriptions.GetAll() {
		left--
		bytesLeft -= len(filter)
	}
	filters := make(packets.Subscriptions, len(pk.Filters))
	for i, sub := range pk.Filters {
		if _, exists := cl.State.Subscriptions.Get(sub.Filter); !exists {
			left--
			bytesLeft -= len(sub.Filter)
		}
		if left < 0 || bytesLeft < 0 || len(sub.Filter) > a.broker.limits.filter || strings.Count(sub.Filter, "/") > a.levels {
			sub.Filter = "" // the server refuses it
		}
		filters[i] = sub
	}
	pk.Filters = filters
	return pk
}

// OnSubscribed sets the true reason code of the filters that OnSubscribe has removed.
func (a *access) OnSubscribed(cl *mochi.Client, pk packets.Packet, reasons []byte) {
	c := connOf(cl)
	c.subscribing = false
	for i := range reasons {
		if pk.Filters[i].Filter == "" && cl.Properties.ProtocolVersion >= 5 {
			reasons[i] = packets.ErrQuotaExceeded.Code
		}
	}
}

// connOf returns the connection of a client. It is always a conn, see serve.
func connOf(cl *mochi.Client) *conn { return cl.Net.Conn.(*conn) } //nolint:forcetypeassert // see serve
