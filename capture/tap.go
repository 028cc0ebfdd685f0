package capture

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// tapSize is the number of bytes of an answer that are used to recognise its protocol.
const tapSize = 16

// tap is a connection that stores the first bytes it receives, before TLS decryption.
type tap struct {
	net.Conn
	closed atomic.Bool
	mu     sync.Mutex
	head   []byte
}

func (t *tap) Close() error {
	t.closed.Store(true)
	return t.Conn.Close()
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := tapSize - len(t.head); room > 0 {
		t.head = append(t.head, p[:min(n, room)]...)
	}
	return n, err
}

// answer returns the first bytes that the server has sent.
func (t *tap) answer() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.head)
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
	begun := strings.HasPrefix(want+"/", string(answer)) // the answer is still incomplete
	switch {
	case begun, got == want:
		return nil
	case got == "":
		return faultf(ReasonProtocol, "the port does not answer in %s; check the port", want)
	default:
		return faultf(ReasonProtocol, "the port answers in %s, not in %s; %s", got, want, otherScheme(scheme, got))
	}
}

// otherScheme returns how to fix a url whose port answers in the protocol got.
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
