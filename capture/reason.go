package capture

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// Reason is a code for why a source delivers no video. It is empty if no code applies.
type Reason string

// The reasons.
const (
	ReasonUnauthorized Reason = "unauthorized" // user or password missing or wrong: 401
	ReasonForbidden    Reason = "forbidden"    // the user has no permission for the stream: 403
	ReasonNotFound     Reason = "not_found"    // no stream of this path: 404
	ReasonServer       Reason = "server_error" // any other error status
	ReasonRedirect     Reason = "redirect"     // to a host that is not allowed, or too many
	ReasonRefused      Reason = "connection_refused"
	ReasonName         Reason = "name_not_found"
	ReasonUnreachable  Reason = "unreachable"    // no route, or no answer to a connection
	ReasonSilent       Reason = "no_answer"      // connected, but no answer
	ReasonProtocol     Reason = "wrong_protocol" // the port belongs to another service
	ReasonCertificate  Reason = "certificate"    // the server's certificate is not trusted
	ReasonNoVideo      Reason = "no_video"       // a web page, sound only, or text
	ReasonCodec        Reason = "unsupported_codec"
	ReasonNoPackets    Reason = "no_packets"  // the stream plays, but no packets arrive
	ReasonUndecodable  Reason = "undecodable" // packets arrive, but no frame can be decoded
	ReasonTooLarge     Reason = "too_large"   // a frame larger than max_pixels, or too many bytes
	ReasonStalled      Reason = "stalled"     // frames arrived before, but no longer
	ReasonEnded        Reason = "ended"       // the server closed the stream
)

// reasoned is an error with its Reason.
type reasoned struct {
	reason Reason
	err    error
}

func (f *reasoned) Error() string { return f.err.Error() }
func (f *reasoned) Unwrap() error { return f.err }

// faultf returns an error with its reason and a text that states how to fix it.
func faultf(reason Reason, format string, args ...any) error {
	return &reasoned{reason, fmt.Errorf(format, args...)}
}

// reasonOf returns the reason of an error, or "".
func reasonOf(err error) Reason {
	if f, ok := errors.AsType[*reasoned](err); ok {
		return f.reason
	}
	return ""
}

// refusesLogin reports whether the camera refused the login. Frequent attempts may then lock the account.
func (r Reason) refusesLogin() bool { return r == ReasonUnauthorized || r == ReasonForbidden }

// explainDial returns the fault of a connection that failed. Of the URL it contains only host and port.
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
		return unreachable(timeout)
	default:
		return err
	}
}

// unreachable returns the fault of a host that does not answer.
func unreachable(timeout time.Duration) error {
	return faultf(ReasonUnreachable, "no answer within %v; is the camera switched on? check its address and the firewalls",
		timeout)
}

// stalled returns the fault of a stream that delivered frames before.
func stalled(limit time.Duration) error {
	return faultf(ReasonStalled, "no readable frame within %v", limit.Round(100*time.Millisecond))
}

// tooManyRedirects returns the fault of a camera that redirects more than maxRedirects times.
func tooManyRedirects() error {
	return faultf(ReasonRedirect, "the camera redirects too often (%d redirects); give the url of the stream",
		maxRedirects)
}

// unsupportedLogin returns the fault of a camera whose login is neither Digest nor Basic.
func unsupportedLogin() error {
	return faultf(ReasonUnauthorized, "the camera requires a login of a kind that is not supported; allow Digest or "+
		"Basic in its settings")
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
		return faultf(ReasonNotFound, "the camera has no stream of this path (%s); see its manual for the path",
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

// protocolOf recognises a protocol by the first bytes of an answer; empty: unknown.
func protocolOf(answer []byte) string {
	for _, p := range []struct{ head, name string }{
		{"HTTP/", "HTTP"},
		{"RTSP/", "RTSP"},
		{"ICY ", "HTTP"}, // old servers
		{"SSH-", "SSH"},
		{"220 ", "FTP or SMTP"},
		{"220-", "FTP or SMTP"},
	} {
		if bytes.HasPrefix(answer, []byte(p.head)) {
			return p.name
		}
	}
	// A TLS record: a handshake or an alert, version 3.x.
	if len(answer) >= 3 && (answer[0] == 0x15 || answer[0] == 0x16) && answer[1] == 3 && answer[2] <= 4 {
		return "TLS"
	}
	return ""
}

// explainProtocol returns the fault if an answer is in another protocol than that of the scheme, and otherwise nil.
func explainProtocol(scheme string, answer []byte) error {
	want := map[string]string{"rtsp": "RTSP", "rtsps": "TLS", "http": "HTTP", "https": "TLS"}[scheme]
	got := protocolOf(answer)
	incomplete := strings.HasPrefix(want+"/", string(answer))
	switch {
	case incomplete, got == want:
		return nil
	case got == "":
		return faultf(ReasonProtocol, "the port does not answer in %s; check the port", want)
	default:
		return faultf(ReasonProtocol, "the port answers in %s, not in %s; %s", got, want, otherScheme(scheme, got))
	}
}

// otherScheme returns the fix for a url whose port answers in the protocol got.
func otherScheme(scheme, got string) string {
	plain := strings.TrimSuffix(scheme, "s")
	switch {
	case got == "TLS":
		return "write " + scheme + "s:// instead of " + scheme + "://"
	case strings.EqualFold(got, plain):
		return "write " + plain + ":// instead of " + scheme + "://"
	case got == "HTTP":
		return "give the port of RTSP, which is usually 554, or write http:// if the stream comes over HTTP"
	case got == "RTSP":
		return "write rtsp:// instead of " + scheme + "://"
	default:
		return "give the port of the camera's video"
	}
}

// cause removes the address or path that net/http and os put before an error. An address may contain credentials.
func cause(err error) error {
	if address, ok := errors.AsType[*url.Error](err); ok {
		err = address.Err
	}
	if path, ok := errors.AsType[*os.PathError](err); ok {
		err = path.Err
	}
	return err
}
