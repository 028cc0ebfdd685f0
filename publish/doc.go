// Package publish turns accepted faces into messages on an MQTT broker, and is the contract with whoever reads them.
//
// Below a root, facesieve/<device> unless configured, a device publishes:
//
//	<root>/<camera>/face       Event as JSON, QoS 1, never retained: one face that passed
//	<root>/<camera>/face/jpeg  the aligned face alone as JPEG, QoS 1, never retained (Config.JPEG)
//	<root>/<camera>/rejected   Rejected as JSON, QoS 0: why a face did not pass (Config.Rejected)
//	<root>/<camera>/state      State as JSON, QoS 1, retained; it counts only while status is online
//	<root>/status              the word online or offline, QoS 1, retained; offline is also the last will
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
// Each connection is a fresh client of paho.mqtt.golang with a clean session, and reconnecting is this package's own:
// paho, when it resumes by itself, completes the token of a publish that the broker has not yet acknowledged, sends the
// backlog in random order, and cannot be interrupted while it waits.
package publish
