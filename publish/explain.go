package publish

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// ErrRefused is in the error of a connection that will not do better by waiting: the broker turned down the
// credentials, or one side the other's certificate.
var ErrRefused = errors.New("refused")

// explain says in the words of the configuration why a connection failed. If ctx has ended, that is the reason.
func explain(ctx context.Context, target *url.URL, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	refused, hint := diagnose(target, err)
	switch {
	case refused:
		return fmt.Errorf("connect to %s: %w: %s: %w", target, ErrRefused, hint, err)
	case hint != "":
		return fmt.Errorf("connect to %s: %s: %w", target, hint, err)
	}
	return fmt.Errorf("connect to %s: %w", target, err)
}

// diagnose finds what to look at, and whether waiting does not help.
func diagnose(target *url.URL, err error) (refused bool, hint string) {
	var certificate *tls.CertificateVerificationError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &hostname):
		return true, "the broker's certificate is for another name: set tls.server_name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return true, "the broker's certificate has expired or is not valid yet: renew it, or set the clock of this device"
	case errors.As(err, &certificate):
		return true, "the broker's certificate is not trusted: set tls.ca to the CA that signed it"
	case errors.As(err, &record):
		return true, "the broker does not speak TLS on this port: use tcp:// or the right port"
	case errors.As(err, &op) && op.Op == "remote error": // a TLS alert
		return true, "the broker wants another client certificate, or none: see tls.cert and tls.key"
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return true, "the broker turned user or password down"
	case !hungUp(err):
		return false, ""
	case target.Scheme == schemeTLS: // the alert may be lost behind the end of the connection
		return false, "the broker hung up: it may want a client certificate, see tls.cert and tls.key"
	}
	return false, "the broker hung up: it may want TLS, use ssl://"
}

func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
