package publish

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/rs/zerolog"
)

// rawClient sends and receives single MQTT packets, and can violate the protocol, unlike a client library.
type rawClient struct {
	net.Conn
	t       *testing.T
	in      *bufio.Reader
	version byte
}

// embeddedWith starts a broker with other limits.
func embeddedWith(t *testing.T, log zerolog.Logger, change func(*Config), bound func(*limits)) (Config, *Broker) {
	t.Helper()
	cfg, l := testConfig(Embedded), defaultLimits()
	cfg.Listen = "127.0.0.1:0"
	if change != nil {
		change(&cfg)
	}
	if bound != nil {
		bound(&l)
	}
	b, err := startBroker(t.Context(), cfg, log, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	cfg.Listen = b.Addr()
	return b.Attach(cfg), b
}

func rawDial(t *testing.T, addr string) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return rawOn(t, conn)
}

func rawOn(t *testing.T, conn net.Conn) *rawClient {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &rawClient{Conn: conn, t: t, in: bufio.NewReader(conn), version: 4}
}

// hello connects and returns the reason code of the answer.
func (c *rawClient) hello(id string, change func(*packets.Packet)) byte {
	c.t.Helper()
	pk := packets.Packet{
		FixedHeader:     packets.FixedHeader{Type: packets.Connect},
		ProtocolVersion: c.version,
		Connect: packets.ConnectParams{
			ProtocolName: []byte("MQTT"), ClientIdentifier: id, Clean: true, Keepalive: 0,
		},
	}
	if change != nil {
		change(&pk)
	}
	c.version = pk.ProtocolVersion
	c.send(pk, pk.ConnectEncode)
	answer, err := c.receive()
	if err != nil || answer.FixedHeader.Type != packets.Connack {
		c.t.Fatalf("%s: %v, %v", id, answer.FixedHeader.Type, err)
	}
	return answer.ReasonCode
}

// rawConnected returns a client that was accepted.
func rawConnected(t *testing.T, addr, id string, change func(*packets.Packet)) *rawClient {
	t.Helper()
	c := rawDial(t, addr)
	if code := c.hello(id, change); code != 0 {
		t.Fatalf("%s: refused: %#x", id, code)
	}
	return c
}

func (c *rawClient) send(_ packets.Packet, encode func(*bytes.Buffer) error) {
	c.t.Helper()
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.Write(b.Bytes()); err != nil {
		c.t.Log("write:", err) // the broker may have ended it
	}
}

// subscribe returns the reason codes.
func (c *rawClient) subscribe(qos byte, filters ...string) []byte {
	c.t.Helper()
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, ProtocolVersion: c.version, PacketID: 1,
	}
	for _, f := range filters {
		pk.Filters = append(pk.Filters, packets.Subscription{Filter: f, Qos: qos})
	}
	c.send(pk, pk.SubscribeEncode)
	answer, err := c.receive()
	if err != nil || answer.FixedHeader.Type != packets.Suback {
		c.t.Fatal(answer.FixedHeader.Type, err)
	}
	return answer.ReasonCodes
}

func (c *rawClient) publish(topic string, qos byte, retain bool, payload []byte) {
	c.t.Helper()
	pk := packets.Packet{
		FixedHeader:     packets.FixedHeader{Type: packets.Publish, Qos: qos, Retain: retain},
		ProtocolVersion: c.version, TopicName: topic, Payload: payload,
	}
	if qos > 0 {
		pk.PacketID = 7
	}
	c.send(pk, pk.PublishEncode)
}

func (c *rawClient) acknowledge(id uint16) {
	c.t.Helper()
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Puback}, ProtocolVersion: c.version, PacketID: id,
	}
	c.send(pk, pk.PubackEncode)
}

// receive reads one packet.
func (c *rawClient) receive() (pk packets.Packet, err error) {
	first, err := c.in.ReadByte()
	if err != nil {
		return pk, err
	}
	if err := pk.FixedHeader.Decode(first); err != nil {
		return pk, err
	}
	length, _, err := packets.DecodeLength(c.in)
	if err != nil {
		return pk, err
	}
	pk.FixedHeader.Remaining, pk.ProtocolVersion = length, c.version
	body := make([]byte, length)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return pk, err
	}
	decode := map[byte]func([]byte) error{
		packets.Connack: pk.ConnackDecode, packets.Suback: pk.SubackDecode, packets.Publish: pk.PublishDecode,
		packets.Puback: pk.PubackDecode, packets.Pubrec: pk.PubrecDecode, packets.Disconnect: pk.DisconnectDecode,
	}[pk.FixedHeader.Type]
	if decode != nil {
		err = decode(body)
	}
	return pk, err
}

// ended waits until the broker has closed the connection.
func (c *rawClient) ended() {
	c.t.Helper()
	_, err := io.Copy(io.Discard, c.in)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // as the connection returns it
		c.t.Error("the broker does not end the connection")
	}
}

// daemonLink is the daemon's own connection, for messages that are no events.
func daemonLink(t *testing.T, cfg Config) *link { return daemonLinkAs(t, cfg, cfg.clientID()) }

func daemonLinkAs(t *testing.T, cfg Config, id string) *link {
	t.Helper()
	l, err := connect(t.Context(), cfg, identity{clientID: id})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.abort)
	return l
}

// deliverAll publishes messages one after the other, and fails when the broker does not take them.
func deliverAll(t *testing.T, l *link, topic string, n, size int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i := range n {
		payload := append(fmt.Appendf(nil, "%d ", i), make([]byte, size)...)
		token, err := l.publish(topic, 1, false, payload)
		if err == nil {
			err = l.wait(ctx, token)
		}
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
}

// deliverInStep publishes messages on faces/door, each after a subscriber has received the one before.
func deliverInStep(t *testing.T, l *link, w *recorder, n, size int) {
	t.Helper()
	for i := range n {
		deliverAll(t, l, "faces/door", 1, size)
		eventually(t, "the message is at the client that reads", func() bool { return len(w.on("faces/door")) == i+1 })
	}
}
