package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"facesieve/publish/event"
	"facesieve/publish/outbox"
)

// Embedded as Config.Broker means the broker inside the program, see package broker.
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
	// ClientID must be the device's own: a broker disconnects one of two clients with the same id. Empty means
	// facesieve-<device>.
	ClientID string `yaml:"client_id"`
	// User and Password are for the broker; the embedded one requires them of every client when they are set.
	User     string `yaml:"user"`
	Password Secret `yaml:"password"`
	// Root is what all topics begin with. Empty means facesieve/<device>.
	Root string `yaml:"root"`
	// KeepAlive is the time without traffic after which the connection is tested; whole seconds.
	KeepAlive time.Duration `yaml:"keep_alive"`
	// TLS is for ssl:// only. The broker's certificate is always verified.
	TLS TLS `yaml:"tls"`
	// JPEG publishes the aligned face alone as well, Rejected why a visit gave no face.
	JPEG     bool `yaml:"jpeg"`
	Rejected bool `yaml:"rejected"`

	// HomeAssistant publishes what Home Assistant needs to find the device and its cameras (package hass), the state of
	// the device, and the aligned face alone as if JPEG were set.
	HomeAssistant bool `yaml:"homeassistant"`
	// Control accepts commands that change settings of the cameras.
	Control bool `yaml:"control"`

	// Device is the name of the device in topics and events. The program sets it; it is not a key of the section.
	Device string `yaml:"-"`

	// Dialer opens the connections to the embedded broker of this program; nil connects over the network.
	Dialer Dialer `yaml:"-"`
}

// Dialer opens network connections, as net.Dialer does.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
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

// Default is a plain broker on the same machine, and reports of visits without a face.
func Default() Config {
	return Config{
		Broker:    "tcp://127.0.0.1:1883",
		Listen:    "127.0.0.1:1883",
		KeepAlive: 30 * time.Second,
		Rejected:  true,
	}
}

// Topics returns the topics of this device.
func (c Config) Topics() event.Topics {
	if c.Root != "" {
		return event.NewTopics(c.Root)
	}
	return event.NewTopics("facesieve/" + c.Device)
}

// SendsJPEG reports whether the aligned face alone is published too.
func (c Config) SendsJPEG() bool { return c.JPEG || c.HomeAssistant }

// ClientName returns ClientID, or its default.
func (c Config) ClientName() string {
	if c.ClientID != "" {
		return c.ClientID
	}
	return "facesieve-" + c.Device
}

// Validate returns all faults of the section, joined, each with its key, its value and what to do.
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

// connectionFaults returns the faults that concern a subscriber too.
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
	*f = append(*f, outbox.KeyError{Key: key, Err: fmt.Errorf(format, args...)})
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
