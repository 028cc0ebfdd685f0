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

// portHint explains why connections to a port end without a reason. It examines which protocol the port uses.
func (a *attempt) portHint(err error) (refused bool, hint string) {
	if hint := a.answerHint(a.raw.first()); hint != "" {
		return true, hint
	}
	if !hungUp(err) || len(a.clear.first()) > 0 || a.cfg.Dialer != nil {
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
	httpPort = "an HTTP server answers on this port (MQTT over websockets is not supported): " +
		"use the port of plain MQTT"
	otherPort = "another service answers on this port: check the port in mqtt.broker"
	wantsTLS  = "the broker requires TLS on this port: use ssl://"
)

// speech is the protocol that a port uses.
type speech int

const (
	speaksNothing speech = iota // no answer in time
	speaksTLS
	speaksMQTT
	speaksHTTP
	speaksOther
	endsAtOnce
)

// examine determines which protocol the port uses. It sends no credentials.
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

// exchange opens a connection, waits briefly for it to end by itself, calls hello, and classifies the answer.
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
			return speaksOther // a service that sends first
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

// pingMQTT is a CONNECT of MQTT 3.1.1 without a client id and without credentials. A broker answers it with CONNACK,
// whether it accepts the client or not.
func pingMQTT() []byte {
	return []byte{packets.CONNECT << 4, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 10, 0, 0}
}

// isTLS reports whether bytes are a TLS record: a handshake or an alert.
func isTLS(head []byte) bool {
	return len(head) >= 3 && (head[0] == 0x16 || head[0] == 0x15) && head[1] == 3 && head[2] <= 4
}

// unanswered reports that a ping was not answered in time. Both paho libraries report it only as text.
func unanswered(err error) bool {
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "pingresp")
}
