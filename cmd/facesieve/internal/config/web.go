package config

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"facesieve/publish"
)

// Web is the page for the technician.
type Web struct {
	// Listen is the address of the page, host:port. Empty: there is no page.
	Listen string `yaml:"listen"`
	// Hosts are the names by which browsers reach the page, besides the host of Listen and those of this machine alone.
	Hosts []string `yaml:"hosts"`
	// Cert and Key are PEM files. With them the page is served over https.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// Control allows the page to save overrides: who has its token can change which faces are sent.
	Control bool `yaml:"control"`

	// State is the directory of the file with the token. The program sets it; it is no key of the section.
	State string `yaml:"-"`
	// Token replaces the token in State; empty: that one is used. It comes from the environment or from systemd.
	Token publish.Secret `yaml:"-"`
}

// webToken is the variable or credential that holds the token of the page.
const webToken = "FACESIEVE_WEB_TOKEN" //nolint:gosec // a name

// minToken is the least length of a token that is given, bytes.
const minToken = 16

// DefaultWeb is no page.
func DefaultWeb() Web { return Web{Hosts: []string{}} }

// ForPage is the scope of a command that prints the address of the page.
func ForPage() Scope { return Scope{sections: []string{"web"}} }

// Exposed reports whether other machines can reach the page without TLS, so that its token and its faces pass in clear.
func (w Web) Exposed() bool {
	host, _, err := net.SplitHostPort(w.Listen)
	if err != nil || w.Cert != "" || host == "localhost" {
		return false
	}
	address, err := netip.ParseAddr(host)
	return err != nil || !address.Unmap().IsLoopback()
}

// ExposedText is the warning about a page that is Exposed.
const ExposedText = "web.listen: other machines can reach the page, and its token and its faces pass without encryption; " +
	"set web.cert and web.key, or listen on 127.0.0.1"

// LoadCertificate reads Cert and Key. The error contains neither file names nor file contents.
func (w Web) LoadCertificate() (tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(w.Cert, w.Key)
	var path *fs.PathError
	if errors.As(err, &path) {
		return pair, path.Err
	}
	return pair, err
}

// web sets the values that come from the environment.
func (l *loader) web(cfg *Web) {
	cfg.State, _ = stateDirectory(l.getenv)
	cfg.Token = publish.Secret(l.getenv(webToken))
}

func (l *loader) validateWeb(cfg Web) {
	if cfg.Listen != "" && !listenAddress(cfg.Listen) {
		l.fault("web.listen", "not an address: write it like 127.0.0.1:8470, with a port from 1 to 65535; empty: no page")
	}
	if (cfg.Cert == "") != (cfg.Key == "") {
		l.fault("web.cert", "web.cert without web.key, or the reverse: set both or neither")
	}
	for i, host := range cfg.Hosts {
		if !isHost(host) {
			l.fault("web.hosts["+strconv.Itoa(i)+"]",
				"not a host: write a name or an address without a port, like board.lan")
		}
	}
	if cfg.Listen != "" && cfg.Token != "" && len(cfg.Token) < minToken {
		l.fault("web", webToken+" has fewer than %d characters; give more, or remove it for a generated one", minToken)
	}
}

func (l *loader) webFiles(cfg Web) {
	if cfg.Listen == "" || cfg.Cert == "" || cfg.Key == "" {
		return
	}
	if _, err := cfg.LoadCertificate(); err != nil {
		l.fault("web.cert", "the certificate and its key cannot be used: %v", err)
	}
}

func listenAddress(text string) bool {
	host, port, err := net.SplitHostPort(text)
	number, portErr := strconv.ParseUint(port, 10, 16)
	return err == nil && portErr == nil && number > 0 && (host == "" || isHost(host))
}

// isHost reports whether text is an IP address or a name of DNS.
func isHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	label := regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$`)
	for part := range strings.SplitSeq(strings.TrimSuffix(text, "."), ".") {
		if len(part) > 63 || !label.MatchString(part) {
			return false
		}
	}
	return len(text) < 256
}
