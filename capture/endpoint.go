package capture

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"facesieve/capture/sourceurl"
)

// maxRedirects is the maximum number of redirects.
const maxRedirects = 5

// endpoint is the server of a live stream. It opens and closes the connections to it.
type endpoint struct {
	cfg    Config
	url    *url.URL      // without credentials
	user   *url.Userinfo // nil: no login is configured
	cancel context.CancelFunc

	mu          sync.Mutex
	connections []*connection
	fault       error // the first one, which explains why the stream ended
	aborted     bool
}

func newEndpoint(cfg Config, t target, cancel context.CancelFunc) (*endpoint, error) {
	u, err := url.Parse(t.url)
	if err != nil {
		return nil, errors.New("not a valid URL") // parseURL has accepted it; the original error would quote it
	}
	e := &endpoint{cfg: cfg, url: u, user: u.User, cancel: cancel}
	u.User = nil
	u.Scheme = strings.ToLower(u.Scheme)
	return e, nil
}

// address returns host and port of a URL.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"rtsp": "554", "rtsps": "322", "http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// sameServer reports whether a URL is on the configured server. The password is sent to no other server.
func (e *endpoint) sameServer(u *url.URL) bool {
	return strings.EqualFold(address(u), address(e.url)) && u.Scheme == e.url.Scheme
}

// checkAddress returns an error if an address in a redirect or playlist must not be opened.
func (e *endpoint) checkAddress(u *url.URL) error {
	secure := e.url.Scheme == "https" || e.url.Scheme == "rtsps"
	host := strings.ToLower(u.Hostname())
	listed := slices.ContainsFunc(e.cfg.AllowHosts, func(h string) bool { return strings.EqualFold(h, host) })
	switch {
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "rtsp" && u.Scheme != "rtsps", host == "":
		return faultf(ReasonRedirect, "the camera refers to an address of the kind %.20q, which is not supported",
			u.Scheme)
	case secure && u.Scheme != e.url.Scheme:
		return faultf(ReasonRedirect, "the camera refers to an address without TLS (%s); give its url instead", u.Host)
	case !strings.EqualFold(host, e.url.Hostname()) && !listed:
		return faultf(ReasonRedirect, "the camera refers to another host, %s; give its url instead, or list it in "+
			"allow_hosts", u.Host)
	default:
		return nil
	}
}

// dial connects, and stores the connection, so that abort can close it.
func (e *endpoint) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: e.cfg.OpenTimeout}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, e.storeFault(explainDial(err, e.cfg.OpenTimeout))
	}
	c := &connection{Conn: conn}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.aborted {
		return nil, errors.Join(context.Canceled, conn.Close())
	}
	e.connections = append(slices.DeleteFunc(e.connections, func(c *connection) bool { return c.closed.Load() }), c)
	return c, nil
}

// dialTLS connects to an address and verifies that the certificate is valid for its host name.
func (e *endpoint) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	secure, err := e.cfg.TLS.config(host)
	if err != nil {
		return nil, err
	}
	plain, err := e.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(plain, secure)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	return conn, nil
}

// storeFault stores the first fault, and returns err.
func (e *endpoint) storeFault(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fault == nil && !e.aborted && !errors.Is(err, context.Canceled) {
		e.fault = err
	}
	return err
}

// clearFault removes a fault after which a frame has arrived.
func (e *endpoint) clearFault() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fault = nil
}

// abort closes all connections for good, so that calls that wait for them return. fault is the reason; nil: closed.
func (e *endpoint) abort(fault error) {
	if fault != nil {
		_ = e.storeFault(fault) // explain returns it
	}
	e.mu.Lock()
	e.aborted = true
	e.mu.Unlock()
	e.cancel()
	e.closeConnections()
}

func (e *endpoint) closeConnections() {
	e.mu.Lock()
	connections := slices.Clone(e.connections)
	e.mu.Unlock()
	for _, c := range connections {
		_ = c.Close() // may be closed already
	}
}

// abortAfter aborts if opening takes longer than OpenTimeout. The caller must call done when opening has ended.
func (e *endpoint) abortAfter() (done func() bool) {
	return time.AfterFunc(e.cfg.OpenTimeout, func() { e.abort(e.noAnswer()) }).Stop
}

// noAnswer returns the fault of a server that does not answer in time.
func (e *endpoint) noAnswer() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.connections) == 0 {
		return unreachable(e.cfg.OpenTimeout)
	}
	return faultf(ReasonSilent, "the server at %s accepts connections but does not answer within %v; restart the camera, "+
		"or check the port", address(e.url), e.cfg.OpenTimeout)
}

// explain returns a fault that is more specific than err, if there is one: the stored fault, a TLS fault, or an answer
// in another protocol.
func (e *endpoint) explain(err error) error {
	e.mu.Lock()
	fault, connections := e.fault, e.connections
	e.mu.Unlock()
	if fault != nil && reasonOf(fault) != ReasonSilent {
		return fault
	}
	if specific := explainTLS(err, e.url.Hostname()); specific != nil {
		return specific
	}
	if len(connections) > 0 {
		if specific := explainProtocol(e.url.Scheme, connections[len(connections)-1].firstBytes()); specific != nil {
			return specific
		}
	}
	if fault != nil {
		return fault
	}
	return err
}

// explainAnswer returns the fault of a request whose answer is missing or cannot be read.
func (e *endpoint) explainAnswer(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return faultf(ReasonEnded, "the camera ended the connection before it answered; it may have too many viewers, or "+
			"the port may be wrong")
	default:
		return faultf(ReasonServer, "the camera's answer cannot be read: %s; check the port, and update its firmware",
			e.quote(err.Error()))
	}
}

// quote prepares a text of a server for a message. It removes the address, which the server may repeat, because each
// part of it may be a secret.
func (e *endpoint) quote(text string) string {
	for _, part := range []string{e.url.RequestURI(), e.url.Path, e.url.EscapedPath(), e.url.RawQuery} {
		if len(part) > 1 {
			text = strings.ReplaceAll(text, part, "***")
		}
	}
	return printable(sourceurl.Redact(text))
}

// printable shortens a text of a server to 60 printable ASCII characters.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	return text[:min(len(text), 60)]
}

// maxFirstBytes is the number of bytes of an answer by which its protocol is recognised.
const maxFirstBytes = 16

// connection stores the first bytes that it receives, before TLS decryption.
type connection struct {
	net.Conn
	closed atomic.Bool
	mu     sync.Mutex
	first  []byte
}

func (c *connection) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if room := maxFirstBytes - len(c.first); room > 0 {
		c.first = append(c.first, p[:min(n, room)]...)
	}
	return n, err
}

func (c *connection) firstBytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.first)
}
