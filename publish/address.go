package publish

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// validPort reports whether port is a decimal number from 1 to 65535.
func validPort(port string) bool {
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number > 0
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9.])?$`)

// validHost reports whether host can be a name or an address; a zone (fe80::1%eth0) is allowed.
func validHost(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || hostName.MatchString(host)
}

const (
	schemeTCP = "tcp"
	schemeTLS = "ssl"
)

// brokerForm is how the address of a broker is written.
const brokerForm = "use tcp://host:port, ssl://host:port or embedded"

// brokerURL parses the address of a broker; the result has the scheme tcp or ssl and a port. Errors contain no part of
// the address: any part may be a password.
func brokerURL(broker string) (*url.URL, error) {
	u, err := url.Parse(broker)
	if err != nil { // the text of err holds the whole address
		return nil, errors.New("not an address: " + brokerForm)
	}
	if u.User != nil || strings.Contains(broker, "@") {
		return nil, errors.New("has credentials in it: use user and password beside it, and " + brokerForm)
	}
	scheme, port := schemeTCP, "1883"
	switch strings.ToLower(u.Scheme) {
	case "tcp", "mqtt":
	case "ssl", "tls", "mqtts":
		scheme, port = schemeTLS, "8883"
	default:
		return nil, errors.New("not an address with a scheme that is known: " + brokerForm)
	}
	if err := checkAddress(u); err != nil {
		return nil, err
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return &url.URL{Scheme: scheme, Host: net.JoinHostPort(u.Hostname(), port)}, nil
}

// checkAddress checks that a broker's URL is host and port and nothing else.
func checkAddress(u *url.URL) error {
	host := u.Hostname()
	switch {
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "":
		return errors.New("more than an address: use tcp://host:port or ssl://host:port and nothing else")
	case strings.HasSuffix(u.Host, ":") || u.Port() != "" && !validPort(u.Port()):
		return errors.New("the port is not a number from 1 to 65535")
	case host == "":
		return errors.New("the host is missing: " + brokerForm)
	case !validHost(host) || strings.Contains(host, ":") != strings.HasPrefix(u.Host, "["):
		return errors.New("no host has such a name; an IPv6 address stands between [ and ]: " + brokerForm)
	}
	return nil
}

// target returns where clients of this configuration connect to, the embedded broker included.
func (c Config) target() (*url.URL, error) {
	if c.Broker != Embedded {
		return brokerURL(c.Broker)
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := schemeTCP
	if c.ListenTLS.enabled() && c.Dialer == nil {
		scheme = schemeTLS
	}
	return &url.URL{Scheme: scheme, Host: net.JoinHostPort(host, port)}, nil
}

// dial opens a connection to the target.
func (c Config) dial(ctx context.Context, address string) (net.Conn, error) {
	if c.Dialer != nil {
		return c.Dialer.DialContext(ctx, "tcp", address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// clientTLS returns the settings of a connection with TLS to the broker.
func (c Config) clientTLS() (*tls.Config, error) {
	if c.Broker == Embedded {
		return c.ListenTLS.trust()
	}
	return c.TLS.load()
}

// address returns the target as text, without credentials.
func (c Config) address() string {
	target, err := c.target()
	if err != nil {
		return "the broker"
	}
	return target.String()
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
