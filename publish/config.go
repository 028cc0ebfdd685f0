package publish

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"facesieve/publish/event"
)

// Embedded as Config.Broker means the broker inside the program, see StartBroker.
const Embedded = "embedded"

const (
	minKeepAlive = 5 * time.Second
	maxKeepAlive = 18 * time.Hour // MQTT counts it in 16 bits of seconds
	maxPassword  = 65535          // bytes
)

// Config is the mqtt section of the configuration.
type Config struct {
	// Broker is tcp://host[:port] (also mqtt://), ssl://host[:port] (also mqtts://, tls://) or Embedded.
	Broker string `yaml:"broker"`
	// Listen is the address of the embedded broker. An address that is not loopback needs User and Password. With port
	// 0 the system chooses a port.
	Listen string `yaml:"listen"`
	// ListenTLS is for the embedded broker: with it, clients connect by ssl://.
	ListenTLS ListenTLS `yaml:"listen_tls"`
	// ClientID must be the device's own: a broker lets one of two clients of the same name go. Empty means
	// facesieve-<device>.
	ClientID string `yaml:"client_id"`
	// User and Password are for the broker; the embedded one asks them of everybody when they are set.
	User     string `yaml:"user"`
	Password Secret `yaml:"password"`
	// Root is what all topics begin with. Empty means facesieve/<device>.
	Root string `yaml:"root"`
	// KeepAlive is the time without traffic after which the connection is tested; whole seconds.
	KeepAlive time.Duration `yaml:"keep_alive"`
	// TLS is for ssl:// only. The broker's certificate is always verified.
	TLS TLS `yaml:"tls"`
	// JPEG publishes the aligned face alone as well, Rejected the reasons why a face did not pass.
	JPEG     bool `yaml:"jpeg"`
	Rejected bool `yaml:"rejected"`

	// Device is the name of the device in topics and events. The program sets it; it is no key of the section.
	Device string `yaml:"-"`

	inside *Broker // target of connections inside the program, see Broker.Attach; nil: none
}

// TLS says whom to trust and who the device is.
type TLS struct {
	// CA is a file of PEM certificates that may sign the broker's; empty means those of the system.
	CA string `yaml:"ca"`
	// Cert and Key are PEM files of the client certificate; both or neither. They are read again for every connection.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// ServerName is the name in the broker's certificate; empty means the host of Config.Broker.
	ServerName string `yaml:"server_name"`
}

// Secret is a string that prints as asterisks and is never part of a log or an error.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the secret.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// MarshalText hides the secret in JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Default is a plain broker on the same machine.
func Default() Config {
	return Config{
		Broker:    "tcp://127.0.0.1:1883",
		Listen:    "127.0.0.1:1883",
		KeepAlive: 30 * time.Second,
	}
}

// Topics names the topics of this device.
func (c Config) Topics() event.Topics {
	if c.Root != "" {
		return event.NewTopics(c.Root)
	}
	return event.NewTopics("facesieve/" + c.Device)
}

// Validate says every fault of the section, joined, each with key, value and mend.
func (c Config) Validate() error {
	return errors.Join(append(c.connectionFaults(), c.publisherFaults()...)...)
}

func (c Config) publisherFaults() []error {
	var f faults
	if c.Root != "" {
		if err := event.CheckRoot(c.Root); err != nil {
			f.add("root", "%w", err)
		}
	}
	if err := event.CheckName(c.Device); err != nil {
		f.add("device", "%w", err)
	}
	return f
}

// connectionFaults are those that a subscriber shares.
func (c Config) connectionFaults() []error {
	var f faults
	secure := false
	if c.Broker == Embedded {
		c.listenFaults(&f)
	} else if u, err := brokerURL(c.Broker); err != nil {
		f.add("broker", "%w", err)
	} else {
		secure = u.Scheme == schemeTLS
	}
	c.TLS.faults(&f, secure)
	c.ListenTLS.faults(&f, c.Broker == Embedded)
	f.check(c.User != "" || c.Password == "", "password", "set without a user: set user too")
	f.check(len(c.Password) <= maxPassword, "password", "has %d bytes: MQTT allows %d", len(c.Password), maxPassword)
	f.text("user", c.User)
	f.text("client_id", c.ClientID)
	f.check(c.KeepAlive >= minKeepAlive && c.KeepAlive <= maxKeepAlive && c.KeepAlive%time.Second == 0,
		"keep_alive", "%v: use whole seconds from %v to %v", c.KeepAlive, minKeepAlive, maxKeepAlive)
	return f
}

// faults collects the faults of the section, each with its key.
type faults []error

func (f *faults) add(key, format string, args ...any) {
	*f = append(*f, fmt.Errorf("%s: %w", key, fmt.Errorf(format, args...)))
}

func (f *faults) check(ok bool, key, format string, args ...any) {
	if !ok {
		f.add(key, format, args...)
	}
}

func (f *faults) text(key, value string) {
	if len(value) > event.MaxName {
		f.add(key, "%.40q... has %d bytes: use at most %d", value, len(value), event.MaxName)
	} else if err := event.CheckText(value); err != nil {
		f.add(key, "%w", err)
	}
}

func (c Config) listenFaults(f *faults) {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || port != "0" && !validPort(port) || !validHost(host) && host != "" {
		f.add("listen", "not an address: write it like 127.0.0.1:1883, with a port from 1 to 65535")
		return
	}
	if c.User != "" && c.Password == "" {
		f.add("password", "is empty: the embedded broker needs one beside user")
	}
	f.check(loopback(host) || c.User != "" && c.Password != "" || c.ListenTLS.ClientCA != "",
		"listen", "%q is open to the network: set user and password, or listen on 127.0.0.1", c.Listen)
}

func (t TLS) faults(f *faults, secure bool) {
	f.check((t.Cert == "") == (t.Key == ""), "tls.cert",
		"tls.cert without tls.key, or the reverse: set both or neither")
	f.check(secure || t == TLS{}, "tls", "set, but broker is not ssl://: use ssl:// or remove tls")
}

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

// target is where clients of this configuration connect to, the embedded broker included.
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
	if c.ListenTLS.enabled() && c.inside == nil {
		scheme = schemeTLS
	}
	return &url.URL{Scheme: scheme, Host: net.JoinHostPort(host, port)}, nil
}

// address is the target as text, without credentials.
func (c Config) address() string {
	target, err := c.target()
	if err != nil {
		return "the broker"
	}
	return target.String()
}

func (c Config) clientID() string {
	if c.ClientID != "" {
		return c.ClientID
	}
	return "facesieve-" + c.Device
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
