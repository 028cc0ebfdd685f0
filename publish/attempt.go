package publish

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/eclipse/paho.golang/packets"
	old "github.com/eclipse/paho.mqtt.golang/packets"
)

// attempt is the state of one connection attempt. It is kept so that a failure can be explained.
type attempt struct {
	ctx    context.Context
	cfg    Config
	id     identity
	target *url.URL

	dialed      bool                // TCP is connected
	secured     bool                // the TLS handshake is complete
	certificate bool                // the broker has requested a client certificate
	raw, clear  *tap                // below and above TLS; without TLS they are the same
	chain       []*x509.Certificate // of the broker, verified, its own first; nil without TLS
}

// dial opens the network connection, with TLS where the configuration has it.
func (a *attempt) dial() (net.Conn, error) {
	a.dialed, a.secured, a.certificate, a.raw, a.clear, a.chain = false, false, false, nil, nil, nil
	conn, err := a.cfg.dial(a.ctx, a.target.Host)
	if err != nil {
		return nil, err
	}
	a.dialed, a.raw = true, &tap{Conn: conn}
	a.clear = a.raw
	if a.target.Scheme != schemeTLS {
		return a.raw, nil
	}
	config, err := a.cfg.clientTLS()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if config.ServerName == "" {
		config.ServerName = a.target.Hostname()
	}
	config.GetClientCertificate = a.clientCertificate(config.Certificates)
	secure := tls.Client(a.raw, config)
	a.clear = &tap{Conn: secure}
	if err := secure.HandshakeContext(a.ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	a.secured = true
	if chains := secure.ConnectionState().VerifiedChains; len(chains) > 0 {
		a.chain = chains[0]
	}
	return a.clear, nil
}

// clientCertificate records that the broker requests a certificate, and returns the configured one.
func (a *attempt) clientCertificate(own []tls.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		a.certificate = true
		if len(own) == 0 {
			return &tls.Certificate{}, nil
		}
		return &own[0], nil
	}
}

// tryVersion3 reports whether MQTT 3.1.1 should be tried after MQTT 5 has failed, and records a broker that refuses
// MQTT 5 explicitly. A broker that repeatedly closes connections without an answer may do so because of the version.
func (a *attempt) tryVersion3(err error) bool {
	var reason reasonError
	if errors.As(err, &reason) {
		if reason.code == packets.ConnackUnsupportedProtocolVersion {
			a.id.memory.version3.Store(true)
			return true
		}
		return false
	}
	if a.ctx.Err() != nil || a.clear == nil || a.target.Scheme == schemeTLS && !a.secured {
		return false
	}
	head := a.clear.first()
	if code, ok := answer3(head); ok {
		if code == old.ErrRefusedBadProtocolVersion {
			a.id.memory.version3.Store(true)
		}
		return true
	}
	return len(head) == 0 && hungUp(err) && a.id.memory.hangUps.Add(1) > 1
}

// answer3 returns the code of a CONNACK in the form of MQTT 3.1.1.
func answer3(head []byte) (code byte, ok bool) {
	if len(head) < 4 || head[0] != packets.CONNACK<<4 || head[1] != 2 {
		return 0, false
	}
	return head[3], true
}

// memory holds facts about a broker that are kept from one connection to the next.
type memory struct {
	version3 atomic.Bool  // it has refused MQTT 5
	hangUps  atomic.Int32 // consecutive connections of MQTT 5 that it has ended without an answer
}

// tapHead is the number of bytes that a tap keeps: enough to recognise TLS, HTTP and MQTT.
const tapHead = 8

// tap keeps the first bytes that the other side has sent.
type tap struct {
	net.Conn
	mu   sync.Mutex
	head []byte
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	if missing := tapHead - len(t.head); missing > 0 {
		t.head = append(t.head, p[:min(n, missing)]...)
	}
	return n, err
}

// first returns the first bytes, at most tapHead.
func (t *tap) first() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.head
}
