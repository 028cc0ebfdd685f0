package broker

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/rs/zerolog"

	"facesieve/publish/publishtest"
)

// rawClient sends and receives single MQTT packets, and can violate the protocol, unlike a client library.
type rawClient struct {
	net.Conn
	t       *testing.T
	in      *bufio.Reader
	version byte
}

const daemonID = "facesieve-gate"

func testLog(t *testing.T) zerolog.Logger {
	return zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.InfoLevel)
}

// startTest starts a broker on a free port, with other settings and limits.
func startTest(t *testing.T, log zerolog.Logger, change func(*Config), bound func(*limits)) *Broker {
	t.Helper()
	cfg, l := Config{Listen: "127.0.0.1:0", ClientID: daemonID, Root: "facesieve/gate"}, defaultLimits()
	if change != nil {
		change(&cfg)
	}
	if bound != nil {
		bound(&l)
	}
	b, err := start(t.Context(), cfg, log, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
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
	_ = conn.SetDeadline(time.Now().Add(publishtest.Patience))
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

// connectDaemon returns a client inside the program.
func connectDaemon(t *testing.T, b *Broker, id string) mqtt.Client {
	t.Helper()
	client, err := dialDaemon(t, b, id)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func dialDaemon(t *testing.T, b *Broker, id string) (mqtt.Client, error) {
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://inside").SetClientID(id).SetAutoReconnect(false).
		SetProtocolVersion(4).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
			return b.DialContext(t.Context(), "", "")
		}))
	t.Cleanup(func() { client.Disconnect(0) })
	token := client.Connect()
	token.WaitTimeout(publishtest.Patience)
	return client, token.Error()
}

// deliver publishes a message, and fails when the broker does not accept it.
func deliver(t *testing.T, daemon mqtt.Client, topic string, retain bool, payload []byte) {
	t.Helper()
	token := daemon.Publish(topic, 1, retain, payload)
	if !token.WaitTimeout(publishtest.Patience) || token.Error() != nil {
		t.Fatalf("%s is not accepted: %v", topic, token.Error())
	}
}

// deliverAll publishes n messages of size bytes one after the other.
func deliverAll(t *testing.T, daemon mqtt.Client, topic string, n, size int) {
	t.Helper()
	for i := range n {
		deliver(t, daemon, topic, false, append(fmt.Appendf(nil, "%d ", i), make([]byte, size)...))
	}
}

// deliverInStep publishes messages on faces/door, each after a subscriber has received the one before.
func deliverInStep(t *testing.T, daemon mqtt.Client, w *publishtest.Recorder, n, size int) {
	t.Helper()
	for i := range n {
		deliverAll(t, daemon, "faces/door", 1, size)
		publishtest.Eventually(t, "the message is at the client that reads",
			func() bool { return len(w.On("faces/door")) == i+1 })
	}
}
