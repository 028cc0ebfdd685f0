package capture

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"syscall"
	"time"
)

// explainDial returns the fault of a connection that could not be made. The error contains no more of the URL than the
// address.
func explainDial(err error, timeout time.Duration) error {
	var dns *net.DNSError
	var timed net.Error
	switch {
	case reasonOf(err) != "" || errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &dns) && dns.IsNotFound:
		return faultf(ReasonName, "the name server has no entry for %s; check its spelling, or give the IP address",
			dns.Name)
	case errors.As(err, &dns):
		return faultf(ReasonName, "the name server did not answer for %s; check the network settings of this "+
			"machine", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return faultf(ReasonRefused, "%w; nothing listens on this port: check the port, and that the service is "+
			"enabled in the camera", err)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return faultf(ReasonUnreachable, "%w; check the camera's power and cable, its address, and the network "+
			"settings", err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timed) && timed.Timeout():
		return faultf(ReasonUnreachable, "no answer within %v; is the camera switched on? check its address and the "+
			"firewalls", timeout)
	default:
		return err
	}
}

// explainTLS returns the fault of a TLS handshake, or nil if the error has another cause.
func explainTLS(err error, host string) error {
	const fixes = "give the camera's certificate, or that of its authority, as tls.ca, or set tls.insecure: true to " +
		"trust any"
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		alert   tls.AlertError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &record):
		return nil // the answer is not TLS: see explainProtocol
	case errors.As(err, &name):
		return faultf(ReasonCertificate, "the certificate is for another name than %s (%w); use the certificate's name "+
			"in the url, or %s", host, name, fixes)
	case errors.As(err, &unknown):
		return faultf(ReasonCertificate, "the certificate is not signed by a known authority; %s", fixes)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return faultf(ReasonCertificate, "%w; check the clocks of camera and computer, renew the certificate, or set "+
			"tls.insecure: true", invalid)
	case errors.As(err, &invalid):
		return faultf(ReasonCertificate, "the certificate is not valid (%w); %s", invalid, fixes)
	case errors.As(err, &alert):
		return faultf(ReasonCertificate, "the camera ended the TLS handshake (%w); update its firmware, or set "+
			"tls.insecure: true, which allows old versions of TLS", alert)
	default:
		return nil
	}
}

// explainStatus returns the fault for a status code of RTSP or HTTP.
func explainStatus(code int, text string, loggedIn bool) error {
	status := fmt.Sprintf("%d %s", code, text)
	switch {
	case code == 401 && !loggedIn:
		return faultf(ReasonUnauthorized, "the camera requires a login (%s); write user and password into the url: "+
			"scheme://user:password@host/path", status)
	case code == 401:
		return faultf(ReasonUnauthorized, "the camera refuses user or password (%s); correct them in the url", status)
	case code == 403:
		return faultf(ReasonForbidden, "the camera forbids the stream (%s); allow it for this user in the camera's "+
			"settings, and check there whether the account is locked", status)
	case code == 404 || code == 410:
		return faultf(ReasonNotFound, "the camera has no stream of this path (%s); look the path up in its manual",
			status)
	case code == 461:
		return faultf(ReasonServer, "the camera does not offer this transport (%s); set transport to the other of "+
			"tcp and udp", status)
	case code == 453 || code == 503:
		return faultf(ReasonServer, "the camera is busy (%s); it may have too many viewers: close some, or use a "+
			"stream of lower quality", status)
	case code >= 500:
		return faultf(ReasonServer, "the camera reports a fault of its own (%s); restart it if this stays", status)
	default:
		return faultf(ReasonServer, "the camera refuses the stream (%s); check the path and the camera's settings",
			status)
	}
}

// plain removes the address that net/http and os put before an error, because it may contain credentials.
func plain(err error) error {
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return err
}
