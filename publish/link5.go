package publish

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"facesieve/publish/event"
)

// receiveMaximum is the number of unacknowledged messages that a broker may send. Paho allocates memory for them.
const receiveMaximum = 64

// maxPacket bounds what a broker may send in one packet, in bytes: a message of ours with its topic.
const maxPacket = event.MaxPayload + event.MaxTopic + 1024

// client5 is a connection of MQTT 5. One goroutine writes the messages, in order.
type client5 struct {
	paho     *paho.Client
	conn     net.Conn
	receipts *receipts
	queue    chan outgoing
	limit    uint32 // bytes of a packet that the broker accepts; 0: any

	ctx    context.Context
	cancel context.CancelFunc
	group  sync.WaitGroup
}

type outgoing struct {
	message *paho.Publish
	receipt *receipt
}

func open5(a *attempt, conn net.Conn, lost func(error)) (client, error) {
	c := &client5{conn: conn, receipts: newReceipts(), queue: make(chan outgoing)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	ended := func(err error) {
		lost(err)
		c.cancel()
	}
	c.paho = paho.NewClient(paho.ClientConfig{
		Conn:               packets.NewThreadSafeConn(conn),
		Session:            c.receipts,
		PacketTimeout:      writeTimeout,
		OnClientError:      ended,
		OnServerDisconnect: func(d *paho.Disconnect) { ended(disconnectReason(d)) },
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(m paho.PublishReceived) (bool, error) {
			if a.id.receive != nil {
				a.id.receive(m.Packet.Topic, m.Packet.Retain, m.Packet.Payload)
			}
			return true, nil
		}},
	})
	answer, err := c.paho.Connect(a.ctx, connect5(a))
	if answer != nil && answer.ReasonCode >= failure {
		err = connectReason(answer)
	}
	if err != nil {
		c.cancel()
		return nil, err
	}
	c.group.Go(c.send)
	if err := c.accept(a, answer.Properties); err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// accept checks that the broker offers what a publisher needs.
func (c *client5) accept(a *attempt, offers *paho.ConnackProperties) error {
	if offers == nil {
		return nil
	}
	if offers.MaximumPacketSize != nil {
		c.limit = *offers.MaximumPacketSize
	}
	switch {
	case !a.id.sends:
	case offers.MaximumQoS != nil && *offers.MaximumQoS == 0:
		return reasonError{code: packets.ConnackQoSNotSupported}
	case !offers.RetainAvailable:
		return reasonError{code: packets.ConnackRetainNotSupported}
	}
	return nil
}

func connect5(a *attempt) *paho.Connect {
	maximum, size := uint16(receiveMaximum), uint32(maxPacket)
	c := &paho.Connect{
		ClientID:     a.id.clientID,
		CleanStart:   true,
		KeepAlive:    uint16(a.cfg.KeepAlive / time.Second), //nolint:gosec // Validate bounds it
		Username:     a.cfg.User,
		UsernameFlag: a.cfg.User != "",
		Password:     []byte(a.cfg.Password),
		PasswordFlag: a.cfg.Password != "",
		Properties: &paho.ConnectProperties{
			ReceiveMaximum: &maximum, MaximumPacketSize: &size,
			RequestProblemInfo: true,
		},
	}
	if a.id.will != "" {
		c.WillMessage = &paho.WillMessage{Topic: a.id.will, Payload: []byte(event.Offline), QoS: 1, Retain: true}
	}
	return c
}

func (c *client5) publish(topic string, qos byte, retained bool, payload []byte) (token, error) {
	out := outgoing{&paho.Publish{Topic: topic, QoS: qos, Retain: retained, Payload: payload}, newReceipt()}
	if size := len(topic) + len(payload) + packetOverhead; c.limit > 0 && int64(size) > int64(c.limit) {
		text := fmt.Sprintf("%d bytes, and the broker accepts %d", size, c.limit)
		out.receipt.end(reasonError{packets.DisconnectPacketTooLarge, text})
		return out.receipt, nil
	}
	timer := time.NewTimer(handover)
	defer timer.Stop()
	select {
	case c.queue <- out:
		return out.receipt, nil
	case <-c.ctx.Done():
		return nil, errLost
	case <-timer.C:
		return nil, errBusy
	}
}

// send writes messages until the connection ends.
func (c *client5) send() {
	for {
		select {
		case out := <-c.queue:
			c.receipts.next = out.receipt
			_, err := c.paho.PublishWithOptions(c.ctx, out.message,
				paho.PublishOptions{Method: paho.PublishMethod_AsyncSend})
			if err != nil || out.message.QoS == 0 {
				out.receipt.end(err)
			}
			if err != nil {
				_ = c.conn.Close() // the message is incomplete; paho's reader fails
				return
			}
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *client5) subscribe(filters map[string]byte) grants {
	g := &grant{receipt: newReceipt(), granted: map[string]byte{}}
	request := &paho.Subscribe{}
	for filter, qos := range filters {
		request.Subscriptions = append(request.Subscriptions, paho.SubscribeOptions{Topic: filter, QoS: qos})
	}
	c.group.Go(func() {
		answer, err := c.paho.Subscribe(c.ctx, request)
		if answer != nil {
			err = nil // refusals are in the reasons
			for i, code := range answer.Reasons[:min(len(answer.Reasons), len(request.Subscriptions))] {
				g.granted[request.Subscriptions[i].Topic] = code
			}
		}
		g.end(err)
	})
	return g
}

func (c *client5) unsubscribe(filters ...string) {
	c.group.Go(func() { _, _ = c.paho.Unsubscribe(c.ctx, &paho.Unsubscribe{Topics: filters}) })
}

func (c *client5) end() {
	timer := time.AfterFunc(quiesce, func() { _ = c.conn.Close() })
	defer timer.Stop()
	_ = c.paho.Disconnect(&paho.Disconnect{}) // fails where the connection has ended before
	c.cancel()
	c.group.Wait()
	_ = c.receipts.Close()
}
