// Package broker is an MQTT broker inside the program, for a site without another one.
//
// Only the program itself publishes, over connections that stay inside it (Broker.DialContext). All other clients can
// only subscribe, and publish to the topics of Broker.Permit, never retained. Every other message that they publish is
// refused (MQTT 5: reason 0x87; MQTT 3.1.1: discarded at QoS 0, else disconnected), as are their last wills on other
// topics, and they cannot use the publisher's client id.
//
// No client can block another one or the publisher. Messages for a client go into its own buffer. A client is
// disconnected when its buffer holds 4 MiB, when it accepts nothing for 10 seconds, or when 3 MiB or 1024 messages are
// not acknowledged. The session of a disconnected client keeps as much, for an hour at most; further messages are
// dropped. All buffers together hold 16 MiB, all sessions likewise, and 64 clients and 64 sessions are kept. Each
// client that is disconnected or refused is logged, three a minute of each kind, and Broker.Stats counts them.
//
// With Config.TLS the listener uses TLS. Without TLS on a network address, the broker logs a warning at the start.
package broker
