package capture

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/icholy/digest"
)

// httpHeaders is the maximum size of a response header, bytes.
const httpHeaders = 64 << 10

// httpClient makes the requests of one stream.
type httpClient struct {
	*endpoint
	client *http.Client

	mu    sync.Mutex
	known *digest.Challenge // the last one of the server
	count int               // requests that used it
	basic bool              // the server requires Basic
}

func newHTTPClient(e *endpoint) (*httpClient, error) {
	secure, err := e.cfg.TLS.config(e.url.Hostname())
	if err != nil {
		return nil, err
	}
	h := &httpClient{endpoint: e}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: e.dial, DialTLSContext: e.dialTLS, TLSClientConfig: secure,
		// TLSClientConfig is used for connections through a proxy
		MaxResponseHeaderBytes: httpHeaders, DisableCompression: true, MaxIdleConnsPerHost: 2,
	}
	h.client = &http.Client{Transport: transport, CheckRedirect: h.redirect}
	return h, nil
}

// redirect allows a redirect to the same host or to an allowed one. The password is not sent to another host.
func (h *httpClient) redirect(request *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return h.keep(faultf(ReasonRedirect, "the camera redirects too often (%d redirects); give the url of the "+
			"stream", maxRedirects))
	}
	if err := h.allowed(request.URL); err != nil {
		return h.keep(err)
	}
	request.Header.Del("Referer")
	if !h.home(request.URL) {
		request.Header.Del("Authorization")
	}
	return nil
}

// get requests an address, with the login if the server requires one. It returns the response if its status is success,
// or 304 Not Modified if the header makes the request conditional.
func (h *httpClient) get(ctx context.Context, address string, header http.Header) (*http.Response, error) {
	for attempt := 0; ; attempt++ {
		response, loggedIn, err := h.send(ctx, address, header)
		if err != nil {
			return nil, err
		}
		switch response.StatusCode {
		case http.StatusOK, http.StatusPartialContent, http.StatusNotModified:
			return response, nil
		}
		_ = response.Body.Close() // the body is not used
		if response.StatusCode == http.StatusUnauthorized && attempt == 0 && h.challenge(response) {
			continue
		}
		return nil, h.keep(h.refusal(response, loggedIn))
	}
}

// send makes one request, and reports whether it contained a login.
func (h *httpClient) send(ctx context.Context, address string, header http.Header) (*http.Response, bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, false, errors.New("not a valid URL") // the original error would quote the URL
	}
	request.Header = header.Clone()
	request.Header.Set("User-Agent", "facesieve")
	loggedIn, err := h.authorize(request)
	if err != nil {
		return nil, false, err
	}
	response, err := h.client.Do(request)
	if err != nil {
		if err = h.explain(plain(err)); reasonOf(err) == "" {
			err = h.unanswered(err)
		}
		return nil, false, err
	}
	return response, loggedIn, nil
}

// refusal returns the fault of a response with an error status.
func (h *httpClient) refusal(response *http.Response, loggedIn bool) error {
	home := h.home(response.Request.URL)
	if response.StatusCode == http.StatusUnauthorized && home && h.user != nil && !loggedIn {
		return errLoginKind()
	}
	text := strings.TrimSpace(strings.TrimPrefix(response.Status, strconv.Itoa(response.StatusCode)))
	return explainStatus(response.StatusCode, h.quote(text), home && loggedIn)
}

// unanswered returns the fault of a request without a response.
func (h *httpClient) unanswered(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return faultf(ReasonEnded, "the camera ended the connection before it answered; it may have too many viewers")
	default:
		return faultf(ReasonServer, "the camera's answer cannot be read: %s; check the port, and update its firmware",
			h.quote(err.Error()))
	}
}

// errLoginKind returns the fault of a server whose login is neither Digest nor Basic.
func errLoginKind() error {
	return faultf(ReasonUnauthorized, "the camera requires a login of a kind that is not supported; allow Digest or "+
		"Basic in its settings")
}

// challenge stores the login challenge of a response, and reports whether the configured login can answer it.
func (h *httpClient) challenge(response *http.Response) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.user == nil || !h.home(response.Request.URL) {
		return false
	}
	h.count = 0
	h.known, _ = digest.FindChallenge(response.Header) // an error means that no supported challenge was found
	h.basic = false
	for _, value := range response.Header.Values("WWW-Authenticate") {
		h.basic = h.basic || h.known == nil && strings.HasPrefix(strings.ToLower(value), "basic")
	}
	return h.known != nil || h.basic
}

// authorize adds the login that the server requires, and reports whether it added one.
func (h *httpClient) authorize(request *http.Request) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.user == nil || !h.home(request.URL) {
		return false, nil
	}
	password, _ := h.user.Password()
	switch {
	case h.known != nil:
		h.count++
		answer, err := digest.Digest(h.known, digest.Options{
			Method: request.Method, URI: request.URL.RequestURI(), Count: h.count,
			Username: h.user.Username(), Password: password,
		})
		if err != nil {
			return false, errLoginKind()
		}
		request.Header.Set("Authorization", answer.String())
		return true, nil
	case h.basic:
		request.SetBasicAuth(h.user.Username(), password)
		return true, nil
	default:
		return false, nil
	}
}

func (h *httpClient) close() { h.client.CloseIdleConnections() }

// limited combines a bounded reader with the Close of a body.
type limited struct {
	io.Reader
	io.Closer
}

func limit(body io.ReadCloser, bytes int64) io.ReadCloser {
	return limited{io.LimitReader(body, bytes), body}
}

// printable shortens a text of a server for a message to one line without control characters.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 {
			return -1
		}
		return r
	}, text)
	return text[:min(len(text), 60)]
}
