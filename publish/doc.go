// Package publish sends accepted faces to an MQTT broker, and receives them. Package event has the topics and messages,
// package outbox stores what waits, package broker is a broker inside the program.
//
// # Delivery
//
// Publish puts an event into the outbox, and Publisher sends what is in the outbox. An event leaves the outbox when the
// broker has acknowledged it; otherwise it is dropped and counted. So no accepted event is lost unnoticed, and one may
// arrive twice. An event keeps its id however often it is sent, also after a restart of the program, so that a
// subscriber can drop duplicates.
//
// An event has replayed: false only if it was accepted, sent and acknowledged on the same connection, and was handed to
// it within five seconds. All others (accepted while there was no connection, sent again after a lost connection,
// delayed by a backlog, left by an earlier run) have replayed: true: they may be late, and may be copies.
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
// With Config.Dialer the connections to the embedded broker stay inside the program. ListenTLS.Server returns the TLS
// configuration of that broker.
package publish
