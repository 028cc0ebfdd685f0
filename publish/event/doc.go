// Package event is the contract between a device and its subscribers: the topics, the messages with their codecs, and
// the JSON Schemas. It contains no client and no broker.
//
// Below a root, facesieve/<device> unless configured, a device publishes:
//
//	<root>/<camera>/face       Face as JSON, QoS 1, never retained: one face that passed
//	<root>/<camera>/face/jpeg  the aligned face alone as JPEG, QoS 1, never retained (mqtt.jpeg)
//	<root>/<camera>/rejected   Rejected as JSON, QoS 0: why a visit gave no face (unless mqtt.rejected is false)
//	<root>/<camera>/state      State as JSON, QoS 1, retained; it counts only while status is online
//	<root>/status              Status as text, QoS 1, retained; offline is also the last will
//	<root>/device              Device as JSON, QoS 1, retained (mqtt.homeassistant)
//	<root>/<camera>/set/result Result as JSON, QoS 1: the answer to a command (mqtt.control)
//	<root>/probe               a text that tests whether the broker accepts messages, QoS 1, never retained
//
// With mqtt.control it receives commands on <root>/<camera>/set/<setting>, text, QoS 1, see Command.
//
// An empty retained message clears the state of a camera that is no longer configured, and the status when the device
// gives up the root. AsyncAPI describes the same for programs.
//
// # Versions
//
// Each JSON message has its schema version. Within a version, fields, components, labels, policies and reasons are only
// added. A decoder ignores fields that it does not contain, and accepts unknown labels, policies and reasons. It refuses
// everything else that the schemas refuse: missing and repeated fields, wrong types, values out of range. A removed or
// changed field raises Version, as does a new state or encoding.
//
// A decoder also accepts version 2, of devices that are not updated yet, and of events that waited in an outbox during
// the update. Such a message has a zero Visit, the latency NotAssessed, and reasons without measured values; its Schema
// is 2. A decoder refuses any other version with ErrVersion.
//
// An encoder refuses every message that deviates from this version, so that a fault is found where it is made.
package event
