package publish

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

// failure is the least reason code of MQTT 5 that is an error.
const failure = 0x80

// packetOverhead bounds what a PUBLISH of MQTT 5 has beside topic and payload, in bytes.
const packetOverhead = 16

// reasonError is a refusal with a reason code of MQTT 5.
type reasonError struct {
	code byte
	text string // of the broker; may be empty
}

func (r reasonError) Error() string {
	text := fmt.Sprintf("reason code 0x%02x of MQTT 5", r.code)
	if r.text != "" {
		text += fmt.Sprintf(": %.200q", r.text)
	}
	return text
}

func connectReason(a *paho.Connack) error {
	r := reasonError{code: a.ReasonCode}
	if a.Properties != nil {
		r.text = a.Properties.ReasonString
		if a.Properties.ServerReference != "" {
			r.text = a.Properties.ServerReference
		}
	}
	return r
}

func disconnectReason(d *paho.Disconnect) error {
	r := reasonError{code: d.ReasonCode}
	if d.Properties != nil {
		r.text = d.Properties.ReasonString
	}
	return r
}

// acknowledgement returns the error in an acknowledgement, or nil. A message without subscribers is not an error.
func acknowledgement(ack *packets.Puback) error {
	if ack.ReasonCode < failure {
		return nil
	}
	r := reasonError{code: ack.ReasonCode}
	if ack.Properties != nil {
		r.text = ack.Properties.ReasonString
	}
	return r
}

// refusedMessage returns the reason if err is the broker's refusal of one message; the connection stays open.
func refusedMessage(err error) (reasonError, bool) {
	var r reasonError
	return r, errors.As(err, &r)
}

// ofMessage reports whether a refusal concerns one message alone, and not its topic.
func (r reasonError) ofMessage() bool {
	return r.code == packets.DisconnectPacketTooLarge || r.code == packets.DisconnectPayloadFormatInvalid
}

var errDiscarded = errors.New("the broker acknowledges and discards: " +
	"no message has returned to this device, its sender")

// denialText returns what to do about the refusal of a message.
func denialText(topic, root string, err error) string {
	allow := fmt.Sprintf("allow the device to write below %s there (mosquitto: topic write %s/#)", root, root)
	if !strings.HasPrefix(topic, root+"/") { // discovery
		pattern := path.Dir(path.Dir(topic)) + "/+/config"
		allow = fmt.Sprintf("allow the device to write %s there (mosquitto: topic write %s)", pattern, pattern)
	}
	if errors.Is(err, errDiscarded) {
		return "the broker acknowledges messages and discards them: " + allow +
			fmt.Sprintf(", and to read its own status (mosquitto: topic readwrite %s/#)", root)
	}
	reason, _ := refusedMessage(err)
	switch reason.code {
	case packets.PubackNotAuthorized:
		return fmt.Sprintf("the broker's access control forbids %s: %s", topic, allow)
	case packets.PubackTopicNameInvalid:
		return fmt.Sprintf("the broker does not accept the topic %s: change the name of the camera, or mqtt.root",
			topic)
	case packets.PubackQuotaExceeded:
		return fmt.Sprintf("a quota of the broker for %s is used up: raise it there", topic)
	case packets.DisconnectPacketTooLarge:
		return fmt.Sprintf("a message for %s is too large for the broker: "+
			"raise max_packet_size or message_size_limit there above 1 MiB, or lower image.quality", topic)
	case packets.PubackPayloadFormatInvalid:
		return fmt.Sprintf("the broker does not accept the content of a message for %s: see its log", topic)
	}
	return fmt.Sprintf("the broker refuses %s: see its log", topic)
}

// hint explains a failure: the fault and its fix.
type hint struct {
	text    string // empty: unknown
	refused bool   // waiting does not help, see ErrRefused
}

// reasonHint explains the refusal of a connection, or its end by the broker.
func reasonHint(code byte, clientID string) hint {
	switch code {
	case packets.ConnackInvalidClientID:
		return hint{fmt.Sprintf("the broker does not accept the client id %q: "+
			"set mqtt.client_id to one that it allows", clientID), true}
	case packets.ConnackBadUsernameOrPassword:
		return hint{wrongPassword, true}
	case packets.ConnackNotAuthorized:
		return hint{"the broker ended the connection over something that is not allowed, " +
			"a topic for example: see its log", true}
	case packets.ConnackBanned:
		return hint{"the broker has banned this client: lift the ban there", true}
	case packets.ConnackBadAuthenticationMethod:
		return hint{"the broker requires a method of authentication other than user and password: " +
			"allow these there", true}
	case packets.ConnackRetainNotSupported:
		return hint{"the broker keeps no retained messages, which status and states need: " +
			"set retain_available true there (mosquitto)", true}
	case packets.ConnackQoSNotSupported:
		return hint{"the broker accepts QoS 0 only, which acknowledges no event: " +
			"set max_qos 1 or 2 there (mosquitto)", true}
	case packets.ConnackTopicNameInvalid:
		return hint{"the broker does not accept the topic of the last will: change mqtt.root or device", true}
	case packets.ConnackUseAnotherServer, packets.ConnackServerMoved:
		return hint{"the broker refers to another server: set mqtt.broker to that one", true}
	}
	return hint{text: temporaryFault(code, clientID)}
}

const wrongPassword = "the broker rejected user or password: check mqtt.user and mqtt.password " +
	"(FACESIEVE_MQTT_USER and FACESIEVE_MQTT_PASSWORD)"

// temporaryFault explains a fault that may end by itself.
func temporaryFault(code byte, clientID string) string {
	switch code {
	case packets.ConnackPacketTooLarge:
		return "the broker accepts no packet of that size: raise its limit (max_packet_size of mosquitto) above 1 MiB"
	case packets.DisconnectSessionTakenOver:
		return fmt.Sprintf("another client has connected with the client id %q: "+
			"stop it, or give each device its own mqtt.client_id", clientID)
	case packets.ConnackServerUnavailable, packets.ConnackServerBusy:
		return "the broker is not available now: see its log"
	case packets.DisconnectServerShuttingDown:
		return "the broker shuts down"
	case packets.DisconnectKeepAliveTimeout:
		return "the broker received nothing within its keep-alive time: " +
			"the network is slow, or mqtt.keep_alive too long for it"
	case packets.ConnackQuotaExceeded:
		return "a quota of the broker is used up, its number of connections for example: raise it there"
	case packets.ConnackConnectionRateExceeded, packets.DisconnectMessageRateTooHigh:
		return "the broker limits the rate of connections or messages: raise it there, or lower outbox.drain_rate"
	case packets.DisconnectAdministrativeAction:
		return "an administrator of the broker has ended the connection"
	case packets.DisconnectMalformedPacket, packets.DisconnectProtocolError, packets.DisconnectTopicNameInvalid:
		return "the broker does not accept a message: " +
			"the name of a device or a camera may have characters that it forbids"
	}
	return ""
}
