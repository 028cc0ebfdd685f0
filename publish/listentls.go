package publish

import (
	"bytes"
	"crypto/tls"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"facesieve/publish/outbox"
)

// ListenTLS configures TLS of the embedded broker: its certificate, and who may connect.
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

// load reads the files.
func (t ListenTLS) load() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if config.Certificates, err = keyPair("listen_tls", t.Cert, t.Key); err != nil {
		return nil, err
	}
	if t.ClientCA != "" {
		if config.ClientCAs, err = certificatePool(t.ClientCA); err != nil {
			return nil, outbox.KeyError{Key: "listen_tls.client_ca", Err: err}
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config, nil
}

// trust returns the configuration of a client on this machine. It accepts the certificate in the file and no other.
func (t ListenTLS) trust() (*tls.Config, error) {
	chain, err := readPEM(t.Cert, "CERTIFICATE")
	if err != nil {
		return nil, outbox.KeyError{Key: "listen_tls.cert", Err: err}
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // the certificate itself is compared
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 || !bytes.Equal(state.PeerCertificates[0].Raw, chain[0].Bytes) {
				return errors.New("the broker's certificate is not that of listen_tls.cert")
			}
			return nil
		},
	}, nil
}

// Server returns the configuration of a listener, or nil if no certificate is set. It reads the files again when they
// have changed, for example after a renewal. If that fails, for example because only one of them is written yet, the
// former certificate stays in use.
func (t ListenTLS) Server(log zerolog.Logger) (*tls.Config, error) {
	if !t.enabled() {
		return nil, nil
	}
	r := &reloadedTLS{files: t, log: log, modified: t.modified()}
	var err error
	if r.config, err = t.load(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return r.current(), nil },
	}, nil
}

// modified returns when the files were modified; a zero time for a file that cannot be read.
func (t ListenTLS) modified() (times [3]time.Time) {
	for i, path := range []string{t.Cert, t.Key, t.ClientCA} {
		if info, err := os.Stat(path); err == nil {
			times[i] = info.ModTime()
		}
	}
	return times
}

// reloadedTLS holds the configuration that was read last.
type reloadedTLS struct {
	files ListenTLS
	log   zerolog.Logger

	mu       sync.Mutex
	config   *tls.Config
	modified [3]time.Time
}

func (r *reloadedTLS) current() *tls.Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	modified := r.files.modified()
	if modified == r.modified {
		return r.config
	}
	r.modified = modified
	config, err := r.files.load()
	if err != nil {
		r.log.Warn().Err(err).
			Msg("embedded broker: the changed certificate cannot be used; the former one stays in use")
		return r.config
	}
	r.config = config
	r.log.Info().Str("cert", r.files.Cert).Msg("embedded broker: the changed certificate is in use")
	return r.config
}
