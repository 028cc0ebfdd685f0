package publish

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
)

// tlsHint explains a failure of TLS.
func (a *attempt) tlsHint(err error) hint {
	var op *net.OpError
	var record tls.RecordHeaderError
	switch {
	case a.target.Scheme != schemeTLS:
		return hint{}
	case errors.As(err, &record):
		return hint{notTLS, true}
	case errors.As(err, &op) && op.Op == "remote error":
		return hint{a.alertHint(op.Err.Error()), true}
	case strings.Contains(err.Error(), "unsupported protocol version"):
		return hint{oldTLS, true}
	}
	if text := a.certificateHint(err); text != "" {
		return hint{text, true}
	}
	if a.certificate && hungUp(err) { // the alert may be lost when the connection ends
		return hint{text: "the broker hung up after it had requested a client certificate: " + a.ownCertificate()}
	}
	return hint{}
}

const (
	notTLS = "the broker does not speak TLS on this port: use tcp://, or the port where it does"
	oldTLS = "the broker offers TLS 1.0 or 1.1 only, which are broken: set it up for TLS 1.2 or later " +
		"(tls_version of mosquitto)"
)

// certificateHint explains what is wrong with the broker's certificate.
func (a *attempt) certificateHint(err error) string {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var verification *tls.CertificateVerificationError
	errors.As(err, &verification)
	switch {
	case errors.As(err, &name) && noNames(name.Certificate):
		return "the broker's certificate has its name as common name (CN) only, which is no longer valid: " +
			"issue one with subjectAltName; tls.server_name does not help"
	case errors.As(err, &name):
		return "the broker's certificate is for another name: set tls.server_name to a name in it, or issue one for " +
			name.Host
	case errors.As(err, &invalid):
		return invalidHint(invalid)
	case errors.As(err, &unknown):
		return a.unknownHint(verification)
	case verification != nil:
		return "the broker's certificate is not accepted: issue another one"
	}
	return ""
}

func invalidHint(invalid x509.CertificateInvalidError) string {
	whose := "the broker's certificate"
	if invalid.Cert != nil && invalid.Cert.IsCA {
		whose = "the authority's certificate"
	}
	switch invalid.Reason {
	case x509.Expired:
		return whose + " has expired or is not valid yet: renew it, or set the clock of this device"
	case x509.IncompatibleUsage:
		return "the broker's certificate is not for servers: issue one with the extended key usage serverAuth"
	case x509.NotAuthorizedToSign, x509.TooManyIntermediates, x509.CANotAuthorizedForThisName:
		return "the certificate that signed the broker's is not that of an authority, or not for this: " +
			"issue it as a CA (basicConstraints CA:TRUE)"
	default:
		return whose + " is not accepted: issue another one"
	}
}

func (a *attempt) unknownHint(verification *tls.CertificateVerificationError) string {
	if verification != nil && selfSigned(verification.UnverifiedCertificates) {
		return "the broker's certificate is self-signed and not trusted: set tls.ca to a copy of that certificate"
	}
	if a.cfg.TLS.CA == "" {
		return "the broker's certificate is not trusted: set tls.ca to the CA that signed it"
	}
	return fmt.Sprintf("the broker's certificate is not trusted: set tls.ca to the CA that signed it (%s is not)",
		a.cfg.TLS.CA)
}

func selfSigned(chain []*x509.Certificate) bool {
	if len(chain) == 0 {
		return false
	}
	c := chain[0]
	return c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func noNames(c *x509.Certificate) bool {
	return c != nil && len(c.DNSNames)+len(c.IPAddresses)+len(c.URIs)+len(c.EmailAddresses) == 0
}

// alertHint explains a TLS alert of the broker.
func (a *attempt) alertHint(alert string) string {
	switch {
	case strings.Contains(alert, "protocol version"):
		return oldTLS
	case strings.Contains(alert, "unrecognized name"):
		return "the broker has no certificate for the requested name: check mqtt.broker and tls.server_name"
	case strings.Contains(alert, "certificate required"),
		strings.Contains(alert, "handshake failure") && a.certificate && a.cfg.TLS.Cert == "":
		return "the broker requires a client certificate: set tls.cert and tls.key"
	case strings.Contains(alert, "expired certificate"):
		return "the client certificate has expired: renew tls.cert, or set the clock of this device"
	case strings.Contains(alert, "revoked certificate"):
		return "the client certificate is revoked: renew tls.cert and tls.key"
	case strings.Contains(alert, "unknown certificate authority"):
		return "the broker does not trust the CA of the client certificate: have tls.cert signed by the broker's CA"
	case strings.Contains(alert, "handshake failure"), strings.Contains(alert, "insufficient security"):
		return "the broker and this device have no cipher in common: allow ciphers of TLS 1.2 with ECDHE there"
	case a.certificate:
		return "the broker does not accept the client certificate: " + a.ownCertificate()
	}
	return "the broker has ended the TLS handshake: see its log"
}

func (a *attempt) ownCertificate() string {
	if a.cfg.TLS.Cert == "" {
		return "set tls.cert and tls.key"
	}
	return "see tls.cert and tls.key, which the broker's CA must have signed, for clients"
}
