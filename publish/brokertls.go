package publish

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// ListenTLS configures TLS of the embedded broker: its certificate, and who may connect. Changed files are reloaded.
type ListenTLS struct {
	// Cert and Key are PEM files: the certificate with its intermediate certificates, and its key. Set both or neither.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// ClientCA is a file of PEM certificates. If it is set, a client needs a certificate that one of them has signed.
	ClientCA string `yaml:"client_ca"`
}

func (t ListenTLS) enabled() bool { return t.Cert != "" }

func (t ListenTLS) faults(f *faults, embedded bool) {
	f.check((t.Cert == "") == (t.Key == ""), "listen_tls.cert",
		"listen_tls.cert without listen_tls.key, or the reverse: set both or neither")
	f.check(t.ClientCA == "" || t.Cert != "", "listen_tls.client_ca",
		"set without a certificate: set listen_tls.cert and listen_tls.key too")
	f.check(embedded || t == ListenTLS{}, "listen_tls",
		"set, but broker is not embedded: use embedded or remove listen_tls")
}

// load reads the files. Errors do not contain file names: a user may have put a secret in place of a name.
func (t ListenTLS) load() (*tls.Config, error) {
	cert, err := readFile(t.Cert)
	if err != nil {
		return nil, fmt.Errorf("listen_tls.cert: %w", err)
	}
	key, err := readFile(t.Key)
	if err != nil {
		return nil, fmt.Errorf("listen_tls.key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("listen_tls.cert: does not fit listen_tls.key: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if t.ClientCA != "" {
		if config.ClientCAs, err = certificatePool(t.ClientCA); err != nil {
			return nil, fmt.Errorf("listen_tls.client_ca: %w", err)
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config, nil
}

func certificatePool(path string) (*x509.CertPool, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errNoCertificate
	}
	return pool, nil
}

var errNoCertificate = errors.New("the file holds no PEM certificate")

// trust returns the settings of a client on this machine. It accepts the certificate in the file and no other.
func (t ListenTLS) trust() (*tls.Config, error) {
	text, err := readFile(t.Cert)
	if err != nil {
		return nil, fmt.Errorf("listen_tls.cert: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("listen_tls.cert: %w", errNoCertificate)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // the certificate itself is compared
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 || !bytes.Equal(state.PeerCertificates[0].Raw, block.Bytes) {
				return errors.New("the broker's certificate is not that of listen_tls.cert")
			}
			return nil
		},
	}, nil
}

// freshTLS reloads the files of a ListenTLS when they have changed, for example after a renewal. If that fails, for
// example because only one of them is written yet, the former certificate stays in use.
type freshTLS struct {
	settings ListenTLS
	log      zerolog.Logger

	mu     sync.Mutex
	config *tls.Config
	seen   [3]time.Time // when the files were modified
}

// newFreshTLS returns the configuration of a listener.
func newFreshTLS(settings ListenTLS, log zerolog.Logger) (*tls.Config, error) {
	f := &freshTLS{settings: settings, log: log}
	var err error
	f.seen = f.modified()
	if f.config, err = settings.load(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.current(), nil },
	}, nil
}

func (f *freshTLS) current() *tls.Config {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.modified()
	if seen == f.seen {
		return f.config
	}
	f.seen = seen
	config, err := f.settings.load()
	if err != nil {
		f.log.Warn().Err(err).
			Msg("embedded broker: the changed certificate cannot be used; the former one stays in use")
		return f.config
	}
	f.config = config
	f.log.Info().Str("cert", f.settings.Cert).Msg("embedded broker: the changed certificate is in use")
	return f.config
}

func (f *freshTLS) modified() (times [3]time.Time) {
	for i, path := range []string{f.settings.Cert, f.settings.Key, f.settings.ClientCA} {
		if info, err := os.Stat(path); err == nil {
			times[i] = info.ModTime()
		}
	}
	return times
}
