package publish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

func TestDefaultIsValid(t *testing.T) {
	cfg := Default()
	cfg.Device = "gate"
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	if root := cfg.Topics().Root(); root != "facesieve/gate" {
		t.Error(root)
	}
}

func TestConfigFromYAML(t *testing.T) {
	text := `
broker: mqtts://broker.example
listen: 127.0.0.1:1884
client_id: gate-1
user: camera
password: hunter2
root: site/a
keep_alive: 1m
tls: {ca: ca.pem, cert: c.pem, key: k.pem, server_name: b}
jpeg: true
rejected: true
`
	cfg := Config{Device: "gate"}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&cfg); err != nil {
		t.Fatal(err)
	}
	want := Config{
		Broker: "mqtts://broker.example", Listen: "127.0.0.1:1884", ClientID: "gate-1",
		User: "camera", Password: "hunter2",
		Root: "site/a", KeepAlive: time.Minute, TLS: TLS{CA: "ca.pem", Cert: "c.pem", Key: "k.pem", ServerName: "b"},
		JPEG: true, Rejected: true, Device: "gate",
	}
	if cfg != want {
		t.Errorf("%#v", cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
	if u, err := cfg.target(); err != nil || u.String() != "ssl://broker.example:8883" {
		t.Error(u, err)
	}
}

func TestFaults(t *testing.T) {
	const form = "use tcp://host:port, ssl://host:port or embedded"
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"scheme": {
			func(c *Config) { c.Broker = "http://b" },
			`broker: not an address with a scheme that is known: ` + form,
		},
		"no scheme": {
			func(c *Config) { c.Broker = "b:1883" },
			`broker: not an address with a scheme that is known: ` + form,
		},
		"empty":   {func(c *Config) { c.Broker = "" }, `broker: not an address with a scheme that is known: ` + form},
		"no host": {func(c *Config) { c.Broker = "tcp://:1883" }, `broker: the host is missing: ` + form},
		"path": {
			func(c *Config) { c.Broker = "tcp://b/x" },
			`broker: more than an address: use tcp://host:port or ssl://host:port and nothing else`,
		},
		"port": {func(c *Config) { c.Broker = "tcp://b:x" }, `broker: not an address: ` + form},
		"in url": {
			func(c *Config) { c.Broker = "tcp://u:hunter2@b" },
			`broker: has credentials in it: use user and password beside it, and ` + form,
		},
		"bad in url": {func(c *Config) { c.Broker = "tcp://u:hunter2@b:x" }, `broker: not an address: ` + form},
		"no scheme in": {
			func(c *Config) { c.Broker = "u:hunter2@b" },
			`broker: has credentials in it: use user and password beside it, and ` + form,
		},
		"port 0": {func(c *Config) { c.Broker = "tcp://b:0" }, `broker: the port is not a number from 1 to 65535`},
		"port 99999": {
			func(c *Config) { c.Broker = "ssl://b:99999" },
			`broker: the port is not a number from 1 to 65535`,
		},
		"port missing": {
			func(c *Config) { c.Broker = "ssl://b:" },
			`broker: the port is not a number from 1 to 65535`,
		},
		"IPv6": {
			func(c *Config) { c.Broker = "tcp://fd00::1:1883" },
			`broker: no host has such a name; an IPv6 address stands between [ and ]: ` + form,
		},
		"host": {
			func(c *Config) { c.Broker = "tcp://b_!" },
			`broker: no host has such a name; an IPv6 address stands between [ and ]: ` + form,
		},
		"listen port": {
			func(c *Config) { c.Broker, c.Listen = Embedded, "127.0.0.1:65536" },
			`listen: not an address: write it like 127.0.0.1:1883, with a port from 1 to 65535`,
		},
		"root wildcard": {
			func(c *Config) { c.Root = "a/+" },
			`root: "+" contains one of + # /, which mean something else in a topic: leave them out`,
		},
		"root level": {
			func(c *Config) { c.Root = "/a" },
			`root: "/a" has an empty level: write it like facesieve/gate, without a / at its ends`,
		},
		"root broker's": {
			func(c *Config) { c.Root = "$SYS/a" },
			`root: "$SYS/a" begins with $, which belongs to the broker: leave it out`,
		},
		"root bytes": {func(c *Config) { c.Root = "a\xff" }, `root: "a\xff" is not UTF-8`},
		"root NUL": {
			func(c *Config) { c.Root = "a\x00" },
			`root: "a\x00" contains a control character: leave it out`,
		},
		"root long": {
			func(c *Config) { c.Root = strings.Repeat("a", 1025) },
			`root: "aaaaaaaaaaaaaaaa"... has 1025 bytes: use at most 1024`,
		},
		"device":   {func(c *Config) { c.Device = "" }, `device: is empty: give it a name`},
		"password": {func(c *Config) { c.Password = "hunter2" }, `password: set without a user: set user too`},
		"user": {
			func(c *Config) { c.User = "a\x00" },
			`user: "a\x00" contains U+0000, which MQTT forbids: leave it out`,
		},
		"client": {func(c *Config) { c.ClientID = "\xff" }, `client_id: "\xff" is not UTF-8`},
		"keep-alive": {
			func(c *Config) { c.KeepAlive = time.Second },
			`keep_alive: 1s: use whole seconds from 5s to 18h0m0s`,
		},
		"keep-alive ms": {
			func(c *Config) { c.KeepAlive += 5e6 },
			`keep_alive: 30.005s: use whole seconds from 5s to 18h0m0s`,
		},
		"tls plain": {
			func(c *Config) { c.TLS.CA = "ca.pem" },
			`tls: set, but broker is not ssl://: use ssl:// or remove tls`,
		},
		"tls cert": {
			func(c *Config) { c.Broker, c.TLS.Cert = "ssl://b", "c.pem" },
			`tls.cert: tls.cert without tls.key, or the reverse: set both or neither`,
		},
		"tls embedded": {
			func(c *Config) { c.Broker, c.TLS.CA = Embedded, "ca.pem" },
			`tls: set, but broker is not ssl://: use ssl:// or remove tls`,
		},
		"listen": {
			func(c *Config) { c.Broker, c.Listen = Embedded, "1883" },
			`listen: not an address: write it like 127.0.0.1:1883, with a port from 1 to 65535`,
		},
		"listen open": {
			func(c *Config) { c.Broker, c.Listen = Embedded, ":1883" },
			`listen: ":1883" is open to the network: set user and password, or listen on 127.0.0.1`,
		},
		"listen half": {
			func(c *Config) { c.Broker, c.Listen, c.User = Embedded, "0.0.0.0:1883", "u" },
			"password: is empty: the embedded broker needs one beside user\n" +
				`listen: "0.0.0.0:1883" is open to the network: set user and password, or listen on 127.0.0.1`,
		},
		"all at once": {
			func(c *Config) { c.Broker, c.Device, c.KeepAlive = "x", "", 0 },
			"broker: not an address with a scheme that is known: " + form +
				"\nkeep_alive: 0s: use whole seconds from 5s to 18h0m0s\n" +
				"device: is empty: give it a name",
		},
	} {
		cfg := testConfig("tcp://b")
		c.change(&cfg)
		err := cfg.Validate()
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\ngot  %v\nwant %s", name, err, c.want)
		}
		if strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: password in the error: %v", name, err)
		}
	}
}

func TestListenOnLoopbackOrWithPassword(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::1]:1883", "localhost:1883", "127.1.2.3:1"} {
		cfg := testConfig(Embedded)
		cfg.Listen = listen
		if err := cfg.Validate(); err != nil {
			t.Error(err)
		}
	}
	for listen, target := range map[string]string{
		":1883": "tcp://127.0.0.1:1883", "0.0.0.0:1": "tcp://127.0.0.1:1",
		"[::]:1": "tcp://127.0.0.1:1", "10.0.0.7:1": "tcp://10.0.0.7:1",
	} {
		cfg := testConfig(Embedded)
		cfg.Listen, cfg.User, cfg.Password = listen, "u", "p"
		if err := cfg.Validate(); err != nil {
			t.Error(err)
		}
		if u, err := cfg.target(); err != nil || u.String() != target {
			t.Error(listen, u, err)
		}
	}
}

func TestPasswordDoesNotPrint(t *testing.T) {
	cfg := testConfig("tcp://b")
	cfg.User, cfg.Password = "u", "hunter2"
	asJSON, err1 := json.Marshal(cfg)
	asYAML, err2 := yaml.Marshal(cfg)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	printed := fmt.Sprintf("%v %+v %#v %s %q", cfg, cfg, cfg, cfg.Password, cfg.Password)
	for _, text := range []string{printed, string(asJSON), string(asYAML)} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "***") {
			t.Error(text)
		}
	}
	if empty, err := yaml.Marshal(Default()); err != nil || !bytes.Contains(empty, []byte(`password: ""`)) {
		t.Errorf("%s %v", empty, err)
	}
}
