package capture

import (
	"errors"
	"fmt"
)

// Reason is why a source gives no video, in a word for programs. It is empty where none of the words applies.
type Reason string

// The reasons.
const (
	ReasonUnauthorized Reason = "unauthorized" // user or password missing or wrong: 401
	ReasonForbidden    Reason = "forbidden"    // the user may not view the stream: 403
	ReasonNotFound     Reason = "not_found"    // no stream of this path: 404
	ReasonServer       Reason = "server_error" // another status that is no success
	ReasonRedirect     Reason = "redirect"     // to a host that is not allowed, or without end
	ReasonRefused      Reason = "connection_refused"
	ReasonName         Reason = "name_not_found"
	ReasonUnreachable  Reason = "unreachable"    // no route, or no answer to a connection
	ReasonSilent       Reason = "no_answer"      // connected, but no answer
	ReasonProtocol     Reason = "wrong_protocol" // the port belongs to another service
	ReasonCertificate  Reason = "certificate"    // the server's certificate is not trusted
	ReasonNoVideo      Reason = "no_video"       // a web page, sound only, a single picture
	ReasonCodec        Reason = "unsupported_codec"
	ReasonNoPackets    Reason = "no_packets"  // the stream plays, but nothing comes
	ReasonUndecodable  Reason = "undecodable" // packets come, but no picture
	ReasonTooLarge     Reason = "too_large"   // a picture above max_pixels, or bytes without end
	ReasonStalled      Reason = "stalled"     // frames came, and then no more
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

// reasonOf returns the reason of an error, or nothing.
func reasonOf(err error) Reason {
	var f *reasoned
	if errors.As(err, &f) {
		return f.reason
	}
	return ""
}

// refusesLogin reports whether trying again soon may lock the camera's account.
func (r Reason) refusesLogin() bool { return r == ReasonUnauthorized || r == ReasonForbidden }
