package capture

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/icholy/digest"
)

// maxHeaderBytes is the maximum size of a response header.
const maxHeaderBytes = 64 << 10

// httpClient makes the requests of one stream.
type httpClient struct {
	*endpoint
	client *http.Client

	mu     sync.Mutex
	digest *digest.Challenge // the last one of the server; nil: it does not require Digest
	count  int               // requests that used it
	basic  bool              // the server requires Basic
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
		MaxResponseHeaderBytes: maxHeaderBytes, DisableCompression: true, MaxIdleConnsPerHost: 2,
	}
	h.client = &http.Client{Transport: transport, CheckRedirect: h.redirect}
	return h, nil
}

// redirect allows a redirect to the same host or to an allowed one. The password is not sent to another host.
func (h *httpClient) redirect(request *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return h.storeFault(tooManyRedirects())
	}
	if err := h.checkAddress(request.URL); err != nil {
		return h.storeFault(err)
	}
	request.Header.Del("Referer")
	if !h.sameServer(request.URL) {
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
		return nil, h.storeFault(h.refusal(response, loggedIn))
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
		if err = h.explain(cause(err)); reasonOf(err) == "" {
			err = h.explainAnswer(err)
		}
		return nil, false, err
	}
	return response, loggedIn, nil
}

// refusal returns the fault of a response with an error status.
func (h *httpClient) refusal(response *http.Response, loggedIn bool) error {
	same := h.sameServer(response.Request.URL)
	if response.StatusCode == http.StatusUnauthorized && same && h.user != nil && !loggedIn {
		return unsupportedLogin()
	}
	text := strings.TrimSpace(strings.TrimPrefix(response.Status, strconv.Itoa(response.StatusCode)))
	return explainStatus(response.StatusCode, h.quote(text), same && loggedIn)
}

// challenge stores the login challenge of a response, and reports whether the configured login can answer it.
func (h *httpClient) challenge(response *http.Response) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.user == nil || !h.sameServer(response.Request.URL) {
		return false
	}
	h.count = 0
	h.digest, _ = digest.FindChallenge(response.Header) // an error means that no supported challenge was found
	h.basic = false
	for _, value := range response.Header.Values("WWW-Authenticate") {
		h.basic = h.basic || h.digest == nil && strings.HasPrefix(strings.ToLower(value), "basic")
	}
	return h.digest != nil || h.basic
}

// authorize adds the login that the server requires, and reports whether it added one.
func (h *httpClient) authorize(request *http.Request) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.user == nil || !h.sameServer(request.URL) {
		return false, nil
	}
	password, _ := h.user.Password()
	switch {
	case h.digest != nil:
		h.count++
		answer, err := digest.Digest(h.digest, digest.Options{
			Method: request.Method, URI: request.URL.RequestURI(), Count: h.count,
			Username: h.user.Username(), Password: password,
		})
		if err != nil {
			return false, unsupportedLogin()
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

// bodyReader reads from a Reader and closes the body behind it.
type bodyReader struct {
	io.Reader
	io.Closer
}

// limitBody ends a body after this number of bytes.
func limitBody(body io.ReadCloser, bytes int64) io.ReadCloser {
	return bodyReader{io.LimitReader(body, bytes), body}
}
