package publish

import (
	"net"
	"net/url"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"facesieve/publish/event"
)

// client3 is a connection of MQTT 3.1.1.
type client3 struct{ paho mqtt.Client }

func open3(a *attempt, conn net.Conn, lost func(error)) (client, error) {
	options := options3(a).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost(err) }).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return conn, nil })
	c := client3{mqtt.NewClient(options)}
	token := c.paho.Connect()
	<-token.Done()
	if err := token.Error(); err != nil {
		return nil, err
	}
	return c, nil
}

// options3 disables paho's automatic behaviour. Its loggers are global and not set, because failures are returned as
// errors.
func options3(a *attempt) *mqtt.ClientOptions {
	o := mqtt.NewClientOptions().
		AddBroker(a.target.String()).
		SetClientID(a.id.clientID).
		SetUsername(a.cfg.User).
		SetPassword(string(a.cfg.Password)).
		SetProtocolVersion(4). // 3.1.1, and no second attempt with 3.1, which doubles every refusal
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetOrderMatters(true).
		SetStore(noStore{}).
		SetKeepAlive(a.cfg.KeepAlive).
		SetConnectTimeout(connectTimeout).
		SetWriteTimeout(handover)
	if a.id.receive != nil {
		o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			a.id.receive(m.Topic(), m.Retained(), m.Payload())
		})
	}
	if a.id.will != "" {
		o.SetWill(a.id.will, string(event.Offline), 1, true)
	}
	return o
}

func (c client3) publish(topic string, qos byte, retained bool, payload []byte) (token, error) {
	token := c.paho.Publish(topic, qos, retained, payload)
	select {
	case <-token.Done():
		if err := token.Error(); err != nil {
			return nil, err
		}
	default:
	}
	return token, nil
}

func (c client3) subscribe(filters map[string]byte) grants {
	return c.paho.SubscribeMultiple(filters, nil).(*mqtt.SubscribeToken)
}

func (c client3) unsubscribe(filters ...string) { c.paho.Unsubscribe(filters...) }

func (c client3) end() { c.paho.Disconnect(uint(quiesce / time.Millisecond)) }

// noStore disables paho's store of sent messages: the outbox stores events.
type noStore struct{}

func (noStore) Open()                             {}
func (noStore) Put(string, packets.ControlPacket) {}
func (noStore) Get(string) packets.ControlPacket  { return nil }
func (noStore) All() []string                     { return nil }
func (noStore) Del(string)                        {}
func (noStore) Close()                            {}
func (noStore) Reset()                            {}
