package publish

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// examineTime bounds each of the two connections that examine a port.
const examineTime = 2 * time.Second

// portHint explains why a port whose connections end without a reason does so, by a look at what it speaks.
func (a *attempt) portHint(err error) (refused bool, hint string) {
	if hint := a.answerHint(a.raw.first()); hint != "" {
		return true, hint
	}
	if !hungUp(err) || len(a.clear.first()) > 0 || a.cfg.inside != nil {
		return false, ""
	}
	secure := a.target.Scheme == schemeTLS
	switch found := a.examine(); {
	case found == speaksTLS && !secure:
		return true, wantsTLS
	case found == speaksMQTT && secure:
		return true, notTLS
	case found == speaksHTTP:
		return true, httpPort
	case found == speaksOther:
		return true, otherPort
	case found == endsAtOnce:
		return false, "the broker ends each connection at once: its limit of connections may be reached " +
			"(max_connections of mosquitto), or a firewall or the broker forbids this address"
	}
	return false, "the broker hung up without an answer: see its log"
}

// answerHint explains an answer that is not one of MQTT.
func (a *attempt) answerHint(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("HTTP")):
		return httpPort
	case a.target.Scheme == schemeTLS:
		return ""
	case isTLS(head):
		return wantsTLS
	case len(head) > 0 && head[0] != packets.CONNACK<<4:
		return otherPort
	}
	return ""
}

const (
	httpPort  = "an HTTP server answers on this port (MQTT over websockets is not supported): use the port of plain MQTT"
	otherPort = "another service answers on this port: check the port in mqtt.broker"
	wantsTLS  = "the broker wants TLS on this port: use ssl://"
)

// speech is what a port speaks.
type speech int

const (
	speaksNothing speech = iota // within the time
	speaksTLS
	speaksMQTT
	speaksHTTP
	speaksOther
	endsAtOnce
)

// examine finds out what the port speaks. It sends no credentials.
func (a *attempt) examine() speech {
	if a.target.Scheme != schemeTLS && a.exchange(a.helloTLS) == speaksTLS {
		return speaksTLS
	}
	found := a.exchange(func(c net.Conn) { _, _ = c.Write(pingMQTT()) })
	if found == speaksNothing {
		found = a.exchange(func(c net.Conn) { _, _ = io.WriteString(c, "GET / HTTP/1.0\r\n\r\n") })
	}
	return found
}

// exchange opens a connection, waits shortly whether it ends by itself, says hello, and names the answer.
func (a *attempt) exchange(hello func(net.Conn)) speech {
	ctx, cancel := context.WithTimeout(a.ctx, examineTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", a.target.Host)
	if err != nil {
		return speaksNothing
	}
	defer func() { _ = conn.Close() }()
	head := make([]byte, tapHead)
	_ = conn.SetReadDeadline(time.Now().Add(examineTime / 8))
	if _, err := conn.Read(head[:1]); err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		if err == nil {
			return speaksOther // a service that speaks first
		}
		return endsAtOnce
	}
	hello(conn)
	deadline, _ := ctx.Deadline()
	_ = conn.SetReadDeadline(deadline)
	n, _ := conn.Read(head)
	switch head = head[:n]; {
	case isTLS(head):
		return speaksTLS
	case bytes.HasPrefix(head, []byte("HTTP")):
		return speaksHTTP
	case n > 0 && head[0] == packets.CONNACK<<4:
		return speaksMQTT
	}
	return speaksNothing
}

// helloTLS writes what begins a TLS handshake, and leaves the answer.
func (a *attempt) helloTLS(conn net.Conn) {
	silent := writeOnly{conn}
	config := &tls.Config{ServerName: a.target.Hostname(), MinVersion: tls.VersionTLS12}
	_ = tls.Client(silent, config).HandshakeContext(a.ctx)
}

// writeOnly is a connection from which nothing arrives.
type writeOnly struct{ net.Conn }

func (writeOnly) Read([]byte) (int, error) { return 0, io.EOF }
func (writeOnly) Close() error             { return nil }

// pingMQTT is a CONNECT of MQTT 3.1.1 without a client id and without credentials. A broker answers it with CONNACK,
// whether it lets the client in or not.
func pingMQTT() []byte {
	return []byte{packets.CONNECT << 4, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 10, 0, 0}
}

// isTLS reports whether bytes are a TLS record: a handshake or an alert.
func isTLS(head []byte) bool {
	return len(head) >= 3 && (head[0] == 0x16 || head[0] == 0x15) && head[1] == 3 && head[2] <= 4
}

// unanswered reports that a ping was not answered in time; both versions of paho have only words for it.
func unanswered(err error) bool {
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "pingresp")
}
