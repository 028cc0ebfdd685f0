package publish

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"

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
	where := fmt.Sprintf("connect to %s", target)
	var certificate *tls.CertificateVerificationError
	var hostname x509.HostnameError
	var op *net.OpError
	switch {
	case errors.As(err, &hostname):
		return fmt.Errorf("%s: %w: the broker's certificate is for another name: set tls.server_name: %w", where, ErrRefused, err)
	case errors.As(err, &certificate):
		return fmt.Errorf("%s: %w: the broker's certificate is not trusted: set tls.ca to the CA that signed it: %w",
			where, ErrRefused, err)
	case errors.As(err, &op) && op.Op == "remote error": // a TLS alert
		return fmt.Errorf("%s: %w: the broker wants another client certificate, or none: see tls.cert and tls.key: %w",
			where, ErrRefused, err)
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return fmt.Errorf("%s: %w: the broker turned user or password down: %w", where, ErrRefused, err)
	}
	return fmt.Errorf("%s: %w", where, err)
}
