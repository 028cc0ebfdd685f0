package capture

import (
	"errors"
	"fmt"
)

// Reason is a code for why a source delivers no video. It is empty if no code applies.
type Reason string

// The reasons.
const (
	ReasonUnauthorized Reason = "unauthorized" // user or password missing or wrong: 401
	ReasonForbidden    Reason = "forbidden"    // the user has no permission for the stream: 403
	ReasonNotFound     Reason = "not_found"    // no stream of this path: 404
	ReasonServer       Reason = "server_error" // another status that reports an error
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

// reasoned is an error with its reason.
type reasoned struct {
	reason Reason
	err    error
}

func (f *reasoned) Error() string { return f.err.Error() }
func (f *reasoned) Unwrap() error { return f.err }

func faultf(reason Reason, format string, args ...any) error {
	return &reasoned{reason, fmt.Errorf(format, args...)}
}

// reasonOf returns the reason of an error, or "".
func reasonOf(err error) Reason {
	var f *reasoned
	if errors.As(err, &f) {
		return f.reason
	}
	return ""
}

// refusesLogin reports whether the camera refused the login. Another attempt soon may lock the account.
func (r Reason) refusesLogin() bool { return r == ReasonUnauthorized || r == ReasonForbidden }
