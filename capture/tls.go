package capture

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// maxCABytes bounds the file of tls.ca. The authorities of a system are about 200 KiB.
const maxCABytes = 1 << 20

// TLS configures which certificates of https and rtsps servers are trusted.
type TLS struct {
	// CA is a PEM file with the authority that signed the camera's certificate, or with that certificate itself, which
	// is then trusted for any name. Empty: the system's authorities.
	CA string `yaml:"ca"`
	// Insecure trusts every certificate, and allows versions of TLS before 1.2.
	Insecure bool `yaml:"insecure"`
}

// validate reads the file.
func (t TLS) validate() error {
	if t.Insecure && t.CA != "" {
		return keyError{
			"tls.insecure",
			errors.New("with it no certificate is checked; remove one of tls.ca and tls.insecure"),
		}
	}
	_, _, err := t.authorities()
	return err
}

// authorities returns the trusted authorities, nil for those of the system, and the certificates in the file.
func (t TLS) authorities() (*x509.CertPool, []*x509.Certificate, error) {
	if t.CA == "" {
		return nil, nil, nil
	}
	pool, all, err := readAuthorities(t.CA)
	if err != nil {
		return nil, nil, keyError{"tls.ca", err}
	}
	return pool, all, nil
}

func readAuthorities(path string) (*x509.CertPool, []*x509.Certificate, error) {
	info, err := os.Stat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxCABytes) {
		return nil, nil, fmt.Errorf("%s is not a file of certificates; give a PEM file", path)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the configuration names the file
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read %s: %w; check the path and its permissions", path, cause(err))
	}
	pool := x509.NewCertPool()
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		pool.AddCert(certificate)
		all = append(all, certificate)
	}
	if len(all) == 0 {
		return nil, nil, fmt.Errorf("%s holds no certificate; give a PEM file with BEGIN CERTIFICATE in it",
			path)
	}
	return pool, all, nil
}

// config returns the TLS configuration for a host. Nothing is sent before the certificate has been verified.
func (t TLS) config(host string) (*tls.Config, error) {
	pool, pinned, err := t.authorities()
	if err != nil {
		return nil, err
	}
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if t.Insecure {
		c.InsecureSkipVerify, c.MinVersion = true, tls.VersionTLS10
		return c, nil
	}
	// The check below replaces the built-in one, because a certificate that is itself in tls.ca needs no matching name.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(state tls.ConnectionState) error { return verify(state, pool, pinned, host) }
	return c, nil
}

// verify checks the certificates of a server as crypto/tls does, but accepts those in pinned without further checks.
func verify(state tls.ConnectionState, pool *x509.CertPool, pinned []*x509.Certificate, host string) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server sent no certificate")
	}
	leaf := state.PeerCertificates[0]
	for _, known := range pinned {
		if bytes.Equal(known.Raw, leaf.Raw) {
			return nil
		}
	}
	between := x509.NewCertPool()
	for _, certificate := range state.PeerCertificates[1:] {
		between.AddCert(certificate)
	}
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: pool, Intermediates: between})
	return err
}
