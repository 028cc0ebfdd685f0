package publish

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// detectTimeout bounds each connection that detects the protocol of a port.
const detectTimeout = 2 * time.Second

// portHint explains why connections to a port end without a reason. It detects which protocol the port uses.
func (a *attempt) portHint(err error) hint {
	if text := a.answerHint(a.raw.first()); text != "" {
		return hint{text, true}
	}
	if !hungUp(err) || len(a.clear.first()) > 0 || a.cfg.Dialer != nil {
		return hint{}
	}
	secure := a.target.Scheme == schemeTLS
	switch found := a.detectProtocol(); {
	case found == protocolTLS && !secure:
		return hint{requiresTLS, true}
	case found == protocolMQTT && secure:
		return hint{notTLS, true}
	case found == protocolHTTP:
		return hint{httpPort, true}
	case found == protocolOther:
		return hint{otherPort, true}
	case found == endsAtOnce:
		return hint{text: "the broker ends each connection at once: its limit of connections may be reached " +
			"(max_connections of mosquitto), or a firewall or the broker forbids this address"}
	}
	return hint{text: "the broker hung up without an answer: see its log"}
}

// answerHint explains an answer that is not one of MQTT.
func (a *attempt) answerHint(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("HTTP")):
		return httpPort
	case a.target.Scheme == schemeTLS:
		return ""
	case isTLS(head):
		return requiresTLS
	case len(head) > 0 && head[0] != packets.CONNACK<<4:
		return otherPort
	}
	return ""
}

const (
	httpPort = "an HTTP server answers on this port (MQTT over websockets is not supported): " +
		"use the port of plain MQTT"
	otherPort   = "another service answers on this port: check the port in mqtt.broker"
	requiresTLS = "the broker requires TLS on this port: use ssl://"
)

// protocol is what a port uses.
type protocol int

const (
	noAnswer protocol = iota // in time
	protocolTLS
	protocolMQTT
	protocolHTTP
	protocolOther
	endsAtOnce
)

// detectProtocol determines which protocol the port uses. It sends no credentials.
func (a *attempt) detectProtocol() protocol {
	if a.target.Scheme != schemeTLS && a.tryHello(a.helloTLS) == protocolTLS {
		return protocolTLS
	}
	found := a.tryHello(func(c net.Conn) { _, _ = c.Write(helloMQTT()) })
	if found == noAnswer {
		found = a.tryHello(func(c net.Conn) { _, _ = io.WriteString(c, "GET / HTTP/1.0\r\n\r\n") })
	}
	return found
}

// tryHello opens a connection, waits briefly for it to end by itself, calls hello, and classifies the answer.
func (a *attempt) tryHello(hello func(net.Conn)) protocol {
	ctx, cancel := context.WithTimeout(a.ctx, detectTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", a.target.Host)
	if err != nil {
		return noAnswer
	}
	defer func() { _ = conn.Close() }()
	head := make([]byte, tapHead)
	_ = conn.SetReadDeadline(time.Now().Add(detectTimeout / 8))
	if _, err := conn.Read(head[:1]); err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		if err == nil {
			return protocolOther // a service that sends first
		}
		return endsAtOnce
	}
	hello(conn)
	deadline, _ := ctx.Deadline()
	_ = conn.SetReadDeadline(deadline)
	n, _ := conn.Read(head)
	switch head = head[:n]; {
	case isTLS(head):
		return protocolTLS
	case bytes.HasPrefix(head, []byte("HTTP")):
		return protocolHTTP
	case n > 0 && head[0] == packets.CONNACK<<4:
		return protocolMQTT
	}
	return noAnswer
}

// helloTLS sends the beginning of a TLS handshake, and does not read the answer.
func (a *attempt) helloTLS(conn net.Conn) {
	silent := writeOnly{conn}
	config := &tls.Config{ServerName: a.target.Hostname(), MinVersion: tls.VersionTLS12}
	_ = tls.Client(silent, config).HandshakeContext(a.ctx)
}

// writeOnly is a connection from which nothing arrives.
type writeOnly struct{ net.Conn }

func (writeOnly) Read([]byte) (int, error) { return 0, io.EOF }
func (writeOnly) Close() error             { return nil }

// helloMQTT is a CONNECT of MQTT 3.1.1 without a client id and without credentials. A broker answers it with CONNACK,
// whether it accepts the client or not.
func helloMQTT() []byte {
	return []byte{packets.CONNECT << 4, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 10, 0, 0}
}

// isTLS reports whether bytes are a TLS record: a handshake or an alert.
func isTLS(head []byte) bool {
	return len(head) >= 3 && (head[0] == 0x16 || head[0] == 0x15) && head[1] == 3 && head[2] <= 4
}
