package publish

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

const (
	connectTimeout = 10 * time.Second // for the network, TLS and MQTT together
	writeTimeout   = 30 * time.Second // for one message; a slow uplink is no fault
	handover       = 250 * time.Millisecond
	quiesce        = 250 // milliseconds that a DISCONNECT may take
)

var (
	errLost     = errors.New("connection lost")
	errNoAnswer = fmt.Errorf("no answer within %v", connectTimeout)
)

// link is one connection to a broker. It never reconnects: when it is lost, its owner makes another.
type link struct {
	client mqtt.Client
	conn   net.Conn
	lost   chan struct{} // closed when the connection has ended other than by close
	err    error         // why, once lost is closed
	once   sync.Once
}

// identity is what a link tells the broker about itself.
type identity struct {
	clientID string
	will     string              // topic whose retained payload becomes Offline when the link dies; empty for none
	receive  mqtt.MessageHandler // for everything that was subscribed; nil for a publisher
}

// connect makes a link, or fails within connectTimeout and as soon as ctx ends.
func connect(ctx context.Context, cfg Config, who identity) (*link, error) {
	target, err := cfg.target()
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	dialing, cancel := context.WithTimeoutCause(ctx, connectTimeout, errNoAnswer)
	defer cancel()
	l := &link{lost: make(chan struct{})}
	stop := func() bool { return true }
	options := clientOptions(cfg, who, target)
	options.SetConnectionLostHandler(func(_ mqtt.Client, err error) { l.lose(err) })
	options.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		conn, err := dial(dialing, cfg, target)
		if err != nil {
			return nil, err
		}
		l.conn = patientConn{conn}
		stop = context.AfterFunc(dialing, func() { _ = conn.Close() }) // ends a handshake that ctx cuts short
		return l.conn, nil
	})
	l.client = mqtt.NewClient(options)
	token := l.client.Connect()
	<-token.Done()
	cut := !stop()
	if err := token.Error(); err != nil {
		return nil, explain(dialing, target, err)
	}
	if cut {
		l.abort()
		return nil, explain(dialing, target, context.Cause(dialing))
	}
	return l, nil
}

// clientOptions leaves paho as little to decide as possible. Its loggers are global and silent unless somebody sets them:
// what they would say comes back as errors.
func clientOptions(cfg Config, who identity, target *url.URL) *mqtt.ClientOptions {
	o := mqtt.NewClientOptions().
		AddBroker(target.String()).
		SetClientID(who.clientID).
		SetUsername(cfg.User).
		SetPassword(string(cfg.Password)).
		SetProtocolVersion(4). // 3.1.1, and no second try with 3.1, which doubles every refusal
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetOrderMatters(true).
		SetStore(noStore{}).
		SetKeepAlive(cfg.KeepAlive).
		SetConnectTimeout(connectTimeout).
		SetWriteTimeout(handover).
		SetDefaultPublishHandler(who.receive)
	if who.will != "" {
		o.SetWill(who.will, Offline, 1, true)
	}
	return o
}

func dial(ctx context.Context, cfg Config, target *url.URL) (net.Conn, error) {
	conn, err := cfg.network(ctx, target.Host)
	if err != nil || target.Scheme != schemeTLS {
		return conn, err
	}
	config, err := cfg.clientTLS()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if config.ServerName == "" {
		config.ServerName = target.Hostname()
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// publish hands a message over for sending. An error means that it was not handed over: the link is busy with a slow
// write, or lost. Otherwise the token tells when the broker has acknowledged it (QoS 1) or it was written (QoS 0).
func (l *link) publish(topic string, qos byte, retained bool, payload []byte) (mqtt.Token, error) {
	token := l.client.Publish(topic, qos, retained, payload)
	select {
	case <-token.Done():
		if err := token.Error(); err != nil {
			return nil, err
		}
	default:
	}
	return token, nil
}

// wait waits for the broker's answer to one or more messages.
func (l *link) wait(ctx context.Context, tokens ...mqtt.Token) error {
	for _, token := range tokens {
		select {
		case <-token.Done():
			if err := token.Error(); err != nil {
				return err
			}
		case <-l.lost:
			return l.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (l *link) lose(err error) {
	l.once.Do(func() {
		l.err = fmt.Errorf("%w: %w", errLost, err)
		close(l.lost)
	})
}

// close says goodbye: the broker does not publish the last will.
func (l *link) close() { l.client.Disconnect(quiesce) }

// abort drops the connection at once: the broker publishes the last will.
func (l *link) abort() {
	_ = l.conn.Close()
	l.client.Disconnect(quiesce)
}

// patientConn gives writes their own deadline. Paho knows one time-out for a write and for the hand-over of a message
// to its writer; the second must be short so that a dead connection blocks nobody, the first long.
type patientConn struct{ net.Conn }

func (c patientConn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (patientConn) SetWriteDeadline(time.Time) error { return nil }

// noStore replaces paho's memory of what it has sent: the outbox is that memory.
type noStore struct{}

func (noStore) Open()                             {}
func (noStore) Put(string, packets.ControlPacket) {}
func (noStore) Get(string) packets.ControlPacket  { return nil }
func (noStore) All() []string                     { return nil }
func (noStore) Del(string)                        {}
func (noStore) Close()                            {}
func (noStore) Reset()                            {}
