package publish

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"facesieve/publish/outbox"
)

// TLS configures whom to trust and how the device identifies itself.
type TLS struct {
	// CA is a file of PEM certificates that may sign the broker's; empty means those of the system.
	CA string `yaml:"ca"`
	// Cert and Key are PEM files of the client certificate; both or neither. They are read again for every connection.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// ServerName is the name in the broker's certificate; empty means the host of Config.Broker.
	ServerName string `yaml:"server_name"`
}

func (t TLS) faults(f *faults, secure bool) {
	f.check((t.Cert == "") == (t.Key == ""), "tls.cert",
		"tls.cert without tls.key, or the reverse: set both or neither")
	f.check(secure || t == TLS{}, "tls", "set, but broker is not ssl://: use ssl:// or remove tls")
}

// load reads the files. Verification is always on.
func (t TLS) load() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	var err error
	if t.CA != "" {
		if config.RootCAs, err = certificatePool(t.CA); err != nil {
			return nil, outbox.KeyError{Key: "tls.ca", Err: err}
		}
	}
	if t.Cert != "" {
		if config.Certificates, err = keyPair("tls", t.Cert, t.Key); err != nil {
			return nil, err
		}
	}
	return config, nil
}

// CheckFiles reads the files that the section names, and returns all their faults, joined, as Validate does. Errors
// contain neither file names nor file contents: a user may have put a secret in place of a name.
func (c Config) CheckFiles() error {
	var f faults
	c.TLS.fileFaults(&f)
	if c.Broker == Embedded && c.ListenTLS.enabled() {
		if _, err := c.ListenTLS.load(); err != nil {
			f = append(f, err)
		}
	}
	return errors.Join(f...)
}

func (t TLS) fileFaults(f *faults) {
	if _, err := readPEM(t.CA, "CERTIFICATE"); err != nil {
		f.add("tls.ca", "%w", err)
	}
	certificates, err := readPEM(t.Cert, "CERTIFICATE")
	if err != nil {
		f.add("tls.cert", "%w", err)
	}
	if _, err := readPEM(t.Key, "PRIVATE KEY"); err != nil {
		f.add("tls.key", "%w", err)
	}
	if len(*f) > 0 || t.Cert == "" {
		return
	}
	if _, err := keyPair("tls", t.Cert, t.Key); err != nil {
		f.add("tls.key", "is not the key of tls.cert, or cannot be read; create both again")
		return
	}
	certificate, err := x509.ParseCertificate(certificates[0].Bytes)
	if err != nil {
		f.add("tls.cert", "holds a certificate that cannot be read")
		return
	}
	now, from, until := time.Now(), certificate.NotBefore, certificate.NotAfter
	f.check(now.Before(until), "tls.cert", "is valid until %s; renew it", until.Format(time.DateOnly))
	f.check(now.After(from), "tls.cert", "is valid from %s on; check the clock", from.Format(time.DateOnly))
}

// maxPEM bounds the files of certificates: those of a whole system take 250 KB.
const maxPEM = 4 << 20

// readPEM returns the blocks of a file whose type ends in kind, or nothing if path is empty.
func readPEM(path, kind string) (found []*pem.Block, err error) {
	if path == "" {
		return nil, nil
	}
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if !strings.HasSuffix(block.Type, kind) {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil && kind == "CERTIFICATE" {
			return nil, errors.New("holds a certificate that cannot be read")
		}
		found = append(found, block)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("holds no PEM block %q", kind)
	}
	return found, nil
}

// readFile reads a file of certificates or keys. A device, a pipe and a file of more than maxPEM bytes are refused. Its
// errors do not contain the name of the file.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxPEM) {
		return nil, errors.New("is not a file of certificates or keys; name a PEM file")
	}
	text, err := os.ReadFile(path) //nolint:gosec // a configured path
	var withName *fs.PathError
	if errors.As(err, &withName) {
		err = withName.Err
	}
	if err != nil {
		return nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	return text, nil
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

var errNoCertificate = errors.New("holds no PEM certificate")

// keyPair reads the certificate and the key that a section of the configuration names. Its error is an outbox.KeyError.
func keyPair(section, certFile, keyFile string) ([]tls.Certificate, error) {
	cert, err := readFile(certFile)
	if err != nil {
		return nil, outbox.KeyError{Key: section + ".cert", Err: err}
	}
	key, err := readFile(keyFile)
	if err != nil {
		return nil, outbox.KeyError{Key: section + ".key", Err: err}
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, outbox.KeyError{Key: section + ".cert", Err: fmt.Errorf("does not fit %s.key: %w", section, err)}
	}
	return []tls.Certificate{pair}, nil
}
