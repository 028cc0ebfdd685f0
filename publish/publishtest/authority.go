package publishtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority is a certificate authority for one test. A zero Authority with Dir issues self-signed certificates.
type Authority struct {
	Dir     string // of all files
	File    string // certificate of the authority, PEM
	Expired bool   // the certificates that it issues have expired
	NoSAN   bool   // the certificates that it issues have a common name only, and no subjectAltName

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority writes the certificate of an authority to dir.
func NewAuthority(t *testing.T, dir, name string) *Authority {
	t.Helper()
	a := &Authority{Dir: dir, File: filepath.Join(dir, name+".pem")}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = a.sign(t, template, a.File, "")
	return a
}

// Issue writes a certificate for hosts (names or IP addresses) and its key, and returns their files.
func (a *Authority) Issue(t *testing.T, name string, usage x509.ExtKeyUsage, hosts ...string) (cert, key string) {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{usage}}
	for _, host := range hosts {
		if a.NoSAN {
			template.Subject.CommonName = host
			continue
		}
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	cert, key = filepath.Join(a.Dir, name+".pem"), filepath.Join(a.Dir, name+".key")
	a.sign(t, template, cert, key)
	return cert, key
}

func (a *Authority) sign(
	t *testing.T, template *x509.Certificate, certFile, keyFile string,
) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if a.Expired {
		template.NotAfter = time.Now().Add(-time.Minute)
	}
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, certFile, "CERTIFICATE", der)
	if keyFile != "" {
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		writePEM(t, keyFile, "PRIVATE KEY", private)
	}
	return cert, key
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
