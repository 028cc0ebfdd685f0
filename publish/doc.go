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
// # Brokers that discard
//
// A broker whose access control forbids a topic acknowledges a message all the same, and discards it. With MQTT 5 the
// acknowledgement has a reason. So each connection is one of MQTT 5, and one of MQTT 3.1.1 only where the broker does not
// accept 5. There the device subscribes its own status before it publishes it; if that is allowed and the status does not
// return, the broker discards. An event whose topic is refused goes back to the outbox with all others of its camera; one
// of them is sent again after 5 s, then less and less often, at least once a minute. So nothing is lost, within the bounds
// of the outbox, while an access control is wrong, and a camera that is allowed is not delayed. Stats.Denied has the
// reason. The broker must allow to write <root>/#; it should allow to read it, so that states that an earlier run has left
// behind are found, and must with MQTT 3.1.1 where it grants the subscription and then delivers nothing.
//
// # Connections
//
// Each connection is a fresh client with a clean session, of paho.golang (MQTT 5) or paho.mqtt.golang (3.1.1), and
// reconnecting is this package's own: the second, when it resumes by itself, completes the token of a publish that the
// broker has not yet acknowledged, sends the backlog in random order, and cannot be interrupted while it waits.
//
// # Embedded broker
//
// StartBroker runs a broker inside the program, for a site without another one; Broker.Attach makes the configuration of
// its one publisher, whose connections stay inside the program. Every other client only subscribes: whatever it
// publishes, on whatever topic, is refused (MQTT 5: reason 0x87; MQTT 3.1.1: discarded at QoS 0, else disconnected), its
// last will is discarded, and it cannot have the publisher's client id.
//
// No client can stop another one or the publisher, which never wait for it. Messages for a client go into a buffer of its
// own; it is disconnected when that holds 4 MiB, when it accepts nothing for 10 seconds, or when 3 MiB or 1024 messages
// are not acknowledged. Sessions of clients that are away keep as much for an hour at most; what does not fit is dropped.
// All buffers together hold 16 MiB, all sessions too, and 64 clients and 64 sessions are kept. The log names each client
// that is disconnected or refused, three a minute of each kind, and Broker.Stats counts them.
//
// With Config.ListenTLS the broker speaks TLS 1.2 or later and may require client certificates. Its files are read again
// when they change. On a network address without it, the log warns at the start.
package publish
