package capture

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxRedirects is the maximum number of redirects.
const maxRedirects = 5

// endpoint is the server of a live stream. It opens and closes the connections to it.
type endpoint struct {
	cfg    Config
	url    *url.URL      // without credentials
	user   *url.Userinfo // nil: no login is configured
	cancel context.CancelFunc

	mu    sync.Mutex
	taps  []*tap
	fault error // the first one that explains why the stream ended
	ended bool
}

func newEndpoint(cfg Config, t target, cancel context.CancelFunc) (*endpoint, error) {
	u, err := url.Parse(t.name)
	if err != nil {
		return nil, errors.New("not a valid URL") // parseURL has accepted it; the error of url.Parse would quote it
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

// home reports whether a URL is on the configured server. The password is sent to no other.
func (e *endpoint) home(u *url.URL) bool {
	return strings.EqualFold(address(u), address(e.url)) && u.Scheme == e.url.Scheme
}

// allowed returns nil if an address in a redirect or playlist may be opened, and otherwise the fault.
func (e *endpoint) allowed(u *url.URL) error {
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

// dial connects, and stores the connection so that cut can close it at any time.
func (e *endpoint) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: e.cfg.OpenTimeout}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, e.keep(explainDial(err, e.cfg.OpenTimeout))
	}
	t := &tap{Conn: conn}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return nil, errors.Join(context.Canceled, conn.Close())
	}
	e.taps = append(slices.DeleteFunc(e.taps, func(t *tap) bool { return t.closed.Load() }), t)
	return t, nil
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

// keep stores the first fault, and returns it.
func (e *endpoint) keep(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fault == nil && !e.ended && !errors.Is(err, context.Canceled) {
		e.fault = err
	}
	return err
}

// cut closes all connections of the endpoint, so that calls that wait for them return. The fault is the reason, nil on
// close.
func (e *endpoint) cut(fault error) {
	if fault != nil {
		_ = e.keep(fault) // explain returns it later
	}
	e.mu.Lock()
	e.ended = true
	e.mu.Unlock()
	e.cancel()
	e.cutConnections()
}

func (e *endpoint) cutConnections() {
	e.mu.Lock()
	taps := slices.Clone(e.taps)
	e.mu.Unlock()
	for _, t := range taps {
		_ = t.Close() // may be closed already
	}
}

// forget drops a fault after which frames still arrived.
func (e *endpoint) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fault = nil
}

// explain returns a more specific fault for an error if there is one: the stored fault, a TLS fault, or an answer in
// another protocol.
func (e *endpoint) explain(err error) error {
	e.mu.Lock()
	fault, taps := e.fault, e.taps
	e.mu.Unlock()
	if fault != nil && reasonOf(fault) != ReasonSilent {
		return fault
	}
	if better := explainTLS(err, e.url.Hostname()); better != nil {
		return better
	}
	if len(taps) > 0 {
		if better := explainProtocol(e.url.Scheme, taps[len(taps)-1].answer()); better != nil {
			return better
		}
	}
	if fault != nil {
		return fault
	}
	return err
}

// quote prepares a text that may come from a server for a message. The server may repeat the address, any part of which
// may be a secret.
func (e *endpoint) quote(text string) string {
	for _, part := range []string{e.url.RequestURI(), e.url.Path, e.url.EscapedPath(), e.url.RawQuery} {
		if len(part) > 1 {
			text = strings.ReplaceAll(text, part, "***")
		}
	}
	return printable(Redact(text))
}

// silent is the fault of a server that does not answer in time.
func (e *endpoint) silent() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	connected := len(e.taps) > 0
	if !connected {
		return faultf(ReasonUnreachable, "no answer within %v; is the camera switched on? check its address and the "+
			"firewalls", e.cfg.OpenTimeout)
	}
	return faultf(ReasonSilent, "the server at %s accepts connections but does not answer within %v; restart the "+
		"camera, or check the port",
		address(e.url), e.cfg.OpenTimeout)
}

// within cuts the connections if opening takes longer than the limit. Call the returned function when opening has
// ended.
func (e *endpoint) within(limit time.Duration) (done func() bool) {
	return time.AfterFunc(limit, func() { e.cut(e.silent()) }).Stop
}
