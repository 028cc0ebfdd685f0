package publish

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// CheckFiles reads the files that the section names, and returns all their faults, joined, as Validate does. Errors
// contain neither file names nor file contents: a user may have put a secret in place of a name.
func (c Config) CheckFiles() error {
	var f faults
	if _, err := readPEM(c.TLS.CA, "CERTIFICATE"); err != nil {
		f.add("tls.ca", "%w", err)
	}
	certificates, err := readPEM(c.TLS.Cert, "CERTIFICATE")
	if err != nil {
		f.add("tls.cert", "%w", err)
	}
	if _, err := readPEM(c.TLS.Key, "PRIVATE KEY"); err != nil {
		f.add("tls.key", "%w", err)
	}
	if len(f) == 0 && c.TLS.Cert != "" {
		c.TLS.pairFaults(&f, certificates)
	}
	if c.Broker == Embedded && c.ListenTLS.enabled() {
		if _, err := c.ListenTLS.load(); err != nil {
			f = append(f, err)
		}
	}
	return errors.Join(f...)
}

// pairFaults checks that the client's key is that of its certificate, and that the certificate is valid today.
func (t TLS) pairFaults(f *faults, certificates []*pem.Block) {
	if _, err := tls.LoadX509KeyPair(t.Cert, t.Key); err != nil {
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
func readPEM(path, kind string) ([]*pem.Block, error) {
	if path == "" {
		return nil, nil
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("the file cannot be found: %w", cause(err))
	}
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return blocks(text, kind)
}

// readFile reads a file of certificates or keys. A device, a pipe and a file of more than maxPEM bytes are refused.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxPEM) {
		return nil, errors.New("is not a file of certificates or keys; name a PEM file")
	}
	text, err := os.ReadFile(path) //nolint:gosec // a configured path
	if err != nil {
		return nil, fmt.Errorf("the file cannot be read: %w", cause(err))
	}
	return text, nil
}

func blocks(text []byte, kind string) ([]*pem.Block, error) {
	var found []*pem.Block
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if len(block.Type) < len(kind) || block.Type[len(block.Type)-len(kind):] != kind {
			continue
		}
		if kind == "CERTIFICATE" {
			if _, err := x509.ParseCertificate(block.Bytes); err != nil {
				return nil, errors.New("holds a certificate that cannot be read")
			}
		}
		found = append(found, block)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("holds no PEM block %q", kind)
	}
	return found, nil
}

// cause returns the error of a file operation without the file's name.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
