package doctor

import (
	"context"
	"fmt"
	"net"
	"time"

	"facesieve/publish"
)

// renewal is the time before its expiry at which a certificate should be renewed.
const renewal = 14 * 24 * time.Hour

// dialTime bounds the connection to the embedded broker, which is on this machine.
const dialTime = 2 * time.Second

// checkBroker connects to the broker as the daemon does, publishes messages without a face, and waits for their return.
func checkBroker(ctx context.Context, cfg publish.Config) []Finding {
	if cfg.Broker == publish.Embedded {
		return []Finding{checkEmbedded(ctx, cfg.Listen)}
	}
	probe, err := publish.Diagnose(ctx, cfg)
	if err != nil {
		return []Finding{failed(err.Error(), "")}
	}
	all := []Finding{brokerFinding(cfg, probe)}
	if len(probe.Chain) > 0 {
		all = append(all, certificateFinding(probe, time.Now()))
	}
	return all
}

// brokerFinding returns the result for a broker that accepts messages.
func brokerFinding(cfg publish.Config, p publish.Probe) Finding {
	login := "without a login"
	if cfg.User != "" {
		login = "login accepted"
	}
	text := fmt.Sprintf("%s: connected by MQTT %s, %s, QoS 1; ", cfg.Broker, p.Version, login)
	switch {
	case !p.Returned && p.Proved:
		return warning(text+"it accepts messages, and does not allow facesieve to read "+p.Topic,
			"allow it, so that discarded messages are noticed (mosquitto: topic readwrite "+cfg.Topics().Root()+"/#)")
	case !p.Returned:
		return warning(text+"it acknowledges messages, and does not allow facesieve to read "+p.Topic+
			", so whether it discards them is unknown",
			"allow it (mosquitto: topic readwrite "+cfg.Topics().Root()+"/#)")
	case !p.Retained:
		return warning(text+"a message came back, a retained one did not",
			"allow retained messages at the broker (mosquitto: retain_available true): new subscribers get no state")
	default:
		return ok(text + "a message came back, and so did a retained one")
	}
}

// certificateFinding returns the result for the chain of the broker, which is valid now.
func certificateFinding(p publish.Probe, now time.Time) Finding {
	last, expires := p.Chain[len(p.Chain)-1], p.Expires()
	text := fmt.Sprintf("of the broker: valid, chain of %d to %q, expires on %s", len(p.Chain), last.Subject.CommonName,
		expires.Format(time.DateOnly))
	f := ok(text)
	if expires.Sub(now) < renewal {
		f = warning(text, "renew the certificate, and install it in the broker")
	}
	f.Check = "certificate"
	f.Values = map[string]any{"expires": expires.UTC()}
	return f
}

// checkEmbedded reports whether the embedded broker runs. It is part of the daemon, so there is nothing else to test.
func checkEmbedded(ctx context.Context, listen string) Finding {
	dialer := net.Dialer{Timeout: dialTime}
	conn, err := dialer.DialContext(ctx, "tcp", listen)
	if err != nil {
		return ok("embedded; it starts with the daemon and will listen on " + listen)
	}
	_ = conn.Close() // nothing was sent
	return ok("embedded; a program listens on " + listen)
}
