// Package publish turns accepted faces into messages on an MQTT broker, and is the contract with whoever reads them.
//
// Below a root, facesieve/<device> unless configured, a device publishes:
//
//	<root>/<camera>/face       Event as JSON, QoS 1, never retained: one face that passed
//	<root>/<camera>/face/jpeg  the aligned face alone as JPEG, QoS 1, never retained (Config.JPEG)
//	<root>/<camera>/rejected   Rejected as JSON, QoS 0: why a face did not pass (Config.Rejected)
//	<root>/<camera>/state      State as JSON, QoS 1, retained; it counts only while status is online; an empty retained
//	                           message clears it when the camera is no longer configured
//	<root>/status              the word online or offline, QoS 1, retained; offline is also the last will; cleared when
//	                           the device gives up the root
//	<root>/probe               a text that tests whether the broker accepts messages, QoS 1, never retained (Connect)
//
// The JSON forms are fixed by the schemas beside this file (EventSchema, RejectedSchema, StateSchema). A change that
// breaks a reader raises SchemaVersion. DecodeEvent and its sisters accept exactly what the schemas accept.
//
// # Delivery
//
// Publish puts an event into the outbox, and Publisher sends what is in there; package outbox says what it promises, what
// it keeps, and for how long. An event leaves the outbox when the broker has acknowledged it and otherwise only when it is
// dropped and counted: no accepted event is lost without a trace, and one may arrive twice. A reader that cannot bear
// doubles remembers the ids; an event keeps its id however often it is sent, also after a restart of the program.
//
// An event carries replayed: false only if it was accepted, sent and acknowledged on one and the same connection, and
// was handed to it within five seconds. Everything else (accepted while the broker was away, sent again after a lost
// connection, stuck behind a backlog, left by an earlier run) says replayed: true: it may be late, and it may be a copy.
//
// # Brokers that discard messages
//
// A broker whose access control forbids a topic still acknowledges a message, and discards it. With MQTT 5 the
// acknowledgement carries a reason. So each connection uses MQTT 5, and MQTT 3.1.1 only if the broker does not accept
// 5. With 3.1.1 the device subscribes to its own status before it publishes it. If the broker grants the subscription
// and the status does not return, the broker discards messages. An event whose topic is refused goes back to the outbox
// with all others of its camera. One of them is sent again after 5 s, then at growing intervals of at most a minute. So
// nothing is lost, within the bounds of the outbox, while an access control is wrong, and cameras whose topics are
// allowed are not delayed. Stats.Denied has the reason. The broker must allow writing <root>/#. It should allow reading
// it, so that states of an earlier run are found. With MQTT 3.1.1 reading is necessary if the broker grants the
// subscription and then delivers nothing.
//
// # Connections
//
// Each connection is a new client with a clean session, of paho.golang (MQTT 5) or paho.mqtt.golang (3.1.1). This
// package reconnects by itself, because paho.mqtt.golang, when it reconnects, completes the token of a publish that the
// broker has not yet acknowledged, sends the backlog in random order, and cannot be interrupted while it waits.
//
// # Embedded broker
//
// StartBroker runs a broker inside the program, for a site without another one. Broker.Attach makes the configuration
// of its only publisher, whose connections stay inside the program. All other clients can only subscribe: every message
// that they publish is refused (MQTT 5: reason 0x87; MQTT 3.1.1: discarded at QoS 0, else disconnected), their last
// wills are discarded, and they cannot use the publisher's client id.
//
// No client can block another one or the publisher. Messages for a client go into its own buffer. A client is
// disconnected when its buffer holds 4 MiB, when it accepts nothing for 10 seconds, or when 3 MiB or 1024 messages are
// not acknowledged. The session of a disconnected client keeps as much, for an hour at most; further messages are
// dropped. All buffers together hold 16 MiB, all sessions likewise, and 64 clients and 64 sessions are kept. Each
// client that is disconnected or refused is logged, three a minute of each kind, and Broker.Stats counts them.
//
// With Config.ListenTLS the broker uses TLS 1.2 or later and may require client certificates. Changed files are
// reloaded. Without TLS on a network address, the broker logs a warning at the start.
package publish
