package capture

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"facesieve/capture/cameratest"
)

// selfSigned returns a self-signed certificate, as cameras create it, and the path of its PEM file.
func selfSigned(t *testing.T, template x509.Certificate) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(1), pkix.Name{CommonName: "camera"}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "camera.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

// secureCamera is a camera with TLS that requires a login and counts the decrypted bytes that it receives.
type secureCamera struct {
	url      string
	received atomic.Int64
}

func serveSecure(t *testing.T, scheme string, certificate tls.Certificate) *secureCamera {
	t.Helper()
	c := &secureCamera{}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate},
		MinVersion:   tls.VersionTLS12,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c.url = scheme + "://joe:s3cret@" + l.Addr().String() + "/x"
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.talk(conn, scheme)
		}
	}()
	return c
}

func (c *secureCamera) talk(conn net.Conn, scheme string) {
	defer func() { _ = conn.Close() }()
	buffer := make([]byte, 4096)
	protocol := map[string]string{"rtsps": "RTSP/1.0", "https": "HTTP/1.1"}[scheme]
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		c.received.Add(int64(n))
		_, _ = conn.Write([]byte(protocol + " 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
	}
}

// Nothing is sent to a server whose certificate is not trusted.
func TestCertificatesAreVerified(t *testing.T) {
	t.Parallel()
	here := []net.IP{net.IPv4(127, 0, 0, 1)}
	good, goodPEM := selfSigned(t, x509.Certificate{IPAddresses: here, IsCA: true, BasicConstraintsValid: true})
	named, namedPEM := selfSigned(t, x509.Certificate{DNSNames: []string{"cam1"}})
	old, oldPEM := selfSigned(t, x509.Certificate{IPAddresses: here, NotAfter: time.Now().Add(-time.Hour)})
	_, otherPEM := selfSigned(t, x509.Certificate{IPAddresses: here})
	const both = "give the camera's certificate, or that of its authority, as tls.ca, or set tls.insecure: true"
	for name, c := range map[string]struct {
		certificate tls.Certificate
		tls         TLS
		want        string // empty: the connection succeeds
	}{
		"self-signed":            {good, TLS{}, "not signed by a known authority; " + both},
		"another authority":      {good, TLS{CA: otherPEM}, "not signed by a known authority; " + both},
		"its own":                {good, TLS{CA: goodPEM}, ""},
		"any":                    {good, TLS{Insecure: true}, ""},
		"another name":           {named, TLS{}, "for another name than 127.0.0.1"},
		"another name, its own":  {named, TLS{CA: namedPEM}, ""},
		"another name, any":      {named, TLS{Insecure: true}, ""},
		"expired":                {old, TLS{CA: goodPEM}, "expired"},
		"expired, but known":     {old, TLS{CA: oldPEM}, ""},
		"expired, but whichever": {old, TLS{Insecure: true}, ""},
	} {
		for _, scheme := range []string{"rtsps", "https"} {
			t.Run(scheme+" "+name, func(t *testing.T) {
				t.Parallel()
				camera := serveSecure(t, scheme, c.certificate)
				cfg := quick(camera.url)
				cfg.TLS, cfg.ReadTimeout = c.tls, 10*time.Second // the camera answers, on a loaded machine late
				want, reason := c.want, ReasonCertificate
				if want == "" {
					want, reason = "404 Not Found", ReasonNotFound
				}
				got := failure(t, cfg, reason)
				received := camera.received.Load()
				if got.Reason != reason || !strings.Contains(got.LastError, want) || (received > 0) != (c.want == "") {
					t.Errorf("%q: %s; the server received %d bytes", got.Reason, got.LastError, received)
				}
			})
		}
	}
}

func TestTLSOnAPlainPort(t *testing.T) {
	t.Parallel()
	for scheme, head := range map[string]string{"rtsps": "RTSP/1.0", "https": "HTTP/1.1"} {
		address := cameratest.Serve(t, func(_ context.Context, conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write([]byte(head + " 400 Bad Request\r\n\r\n"))
		})
		got := failure(t, quick(scheme+"://"+address+"/x"), ReasonProtocol)
		want := "not in TLS; write " + strings.TrimSuffix(scheme, "s") + "://"
		if got.Reason != ReasonProtocol || !strings.Contains(got.LastError, want) {
			t.Errorf("%q: %s", got.Reason, got.LastError)
		}
	}
	address := cameratest.Serve(t, cameratest.Silent) // a handshake that never ends
	for _, scheme := range []string{"rtsps", "https"} {
		if got := failure(t, quick(scheme+"://"+address+"/x"), ReasonSilent); got.Reason != ReasonSilent {
			t.Errorf("%q: %s", got.Reason, got.LastError)
		}
	}
}

func TestFilesOfAuthoritiesAreValidated(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]TLS{
		"empty.pem holds no certificate; give a PEM file": {CA: empty},
		"tls.insecure: with it no certificate is checked": {CA: empty, Insecure: true},
		"tls.ca: cannot read /nonesuch: no such file":     {CA: "/nonesuch"},
	} {
		cfg := Default()
		cfg.URL, cfg.TLS = "rtsps://h/x", c
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// A device is refused as tls.ca without reading it, because that would not end.
func TestAuthoritiesAreAFile(t *testing.T) {
	if err := (TLS{CA: "/dev/zero"}).validate(); err == nil || !strings.Contains(err.Error(), "give a PEM file") {
		t.Error(err)
	}
}
